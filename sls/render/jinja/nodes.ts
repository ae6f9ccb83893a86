/** The tree that the parser builds and the compiler reads: nunjucks node classes with Jinja's shapes. */
import nunjucks from 'nunjucks';
import type { Py } from '../../values.ts';

/** Arguments of a call, filter or test. */
export interface CallArgs {
  args: Expr[];
  kwargs: { key: string; value: Expr }[];
  dynArgs: Expr | null;
  dynKwargs: Expr | null;
}

interface ExprMap {
  Const: { value: Py };
  Name: { name: string };
  NSRef: { name: string; attr: string };
  Tuple: { items: Expr[] };
  List: { items: Expr[] };
  Dict: { items: (readonly [Expr, Expr])[] };
  CondExpr: { test: Expr; yes: Expr; otherwise: Expr | null };
  Filter: { node: Expr | null; name: string; call: CallArgs };
  Test: { node: Expr; name: string; call: CallArgs };
  Call: { node: Expr; call: CallArgs };
  Getitem: { node: Expr; arg: Expr };
  Getattr: { node: Expr; attr: string };
  Slice: { start: Expr | null; stop: Expr | null; step: Expr | null };
  Concat: { items: Expr[] };
  Compare: { expr: Expr; ops: { op: string; expr: Expr }[] };
  BinOp: { op: 'add' | 'sub' | 'mul' | 'div' | 'floordiv' | 'mod' | 'pow'; left: Expr; right: Expr };
  And: { left: Expr; right: Expr };
  Or: { left: Expr; right: Expr };
  Not: { node: Expr };
  Neg: { node: Expr };
  Pos: { node: Expr };
}

interface StmtMap {
  Output: { items: (string | Expr)[] };
  For: { target: Expr; iter: Expr; test: Expr | null; recursive: boolean; body: Stmt[]; otherwise: Stmt[] };
  If: { branches: { test: Expr; body: Stmt[]; lineno: number }[]; otherwise: Stmt[] };
  Macro: { name: string; args: string[]; defaults: Expr[]; body: Stmt[] };
  CallBlock: { target: NodeOf<'Call'>; args: string[]; defaults: Expr[]; body: Stmt[] };
  FilterBlock: { filter: NodeOf<'Filter'>; body: Stmt[] };
  With: { targets: Expr[]; values: Expr[]; body: Stmt[] };
  Block: { name: string; body: Stmt[]; scoped: boolean; required: boolean };
  Include: { template: Expr; withContext: boolean; ignoreMissing: boolean };
  Import: { template: Expr; target: string; withContext: boolean };
  FromImport: { template: Expr; names: { name: string; alias: string }[]; withContext: boolean };
  Extends: { template: Expr };
  ExprStmt: { node: Expr };
  Assign: { target: Expr; node: Expr };
  AssignBlock: { target: Expr; filter: NodeOf<'Filter'> | null; body: Stmt[] };
  Autoescape: { value: Expr; body: Stmt[] };
  LoadBlock: { target: Expr; filter: string; body: Stmt[] };
  ImportData: { template: Expr; target: string; filter: string; withContext: boolean };
  Profile: { label: Expr; body: Stmt[] };
  Break: { word: string };
  Continue: { word: string };
}

interface NodeMap extends ExprMap, StmtMap {
  Root: { body: Stmt[] };
}
/** A name of a node class. */
export type Kind = keyof NodeMap;
/** A node of one class. `lineno` counts from 1. */
export type NodeOf<K extends Kind> = NodeMap[K] & { readonly typename: K; lineno: number };
/** Any expression. */
export type Expr = { [K in keyof ExprMap]: NodeOf<K> }[keyof ExprMap];
/** Any statement. */
export type Stmt = { [K in keyof StmtMap]: NodeOf<K> }[keyof StmtMap];

const classes = new Map<string, new (lineno: number, colno: number) => object>();
/** Makes a node of the class `kind` at a line. */
export function node<K extends Kind>(kind: K, lineno: number, fields: NodeMap[K]): NodeOf<K> {
  let cls = classes.get(kind);
  if (!cls) {
    cls = nunjucks.nodes.Node.extend(kind, { fields: Object.keys(fields) }) as unknown as new (
      lineno: number,
      colno: number,
    ) => object;
    classes.set(kind, cls);
  }
  return Object.assign(new cls(lineno, 0), fields) as unknown as NodeOf<K>;
}
