/** The parts of nunjucks that the dialect extends; its published types leave them out. */
declare module 'nunjucks' {
  /** A token of the base lexer. */
  export interface Token {
    type: string;
    value: unknown;
    lineno: number;
    colno: number;
  }
  export class Tokenizer {
    constructor(source: string, options?: object);
    str: string;
    index: number;
    lineno: number;
    nextToken(): Token | null;
  }
  class Obj {
    static extend(name: string, props: object): typeof Obj;
    constructor(...args: unknown[]);
    init(...args: never[]): void;
    readonly typename: string;
  }
  class Node extends Obj {
    lineno: number;
    colno: number;
    readonly fields: string[];
  }
  class Parser extends Obj {
    tokens: Tokenizer;
    peeked: Token | null;
    nextToken(withWhitespace?: boolean): Token | null;
    peekToken(): Token;
  }
  class Compiler extends Obj {
    codebuf: string[];
    templateName: string | null;
    compile(node: object, frame?: object): void;
    getCode(): string;
    _emit(code: string): void;
    _emitLine(code: string): void;
  }
  class Loader extends Obj {
    resolve(from: string, to: string): string;
    isRelative(name: string): boolean;
  }
  class Environment extends Obj {
    loaders: Loader[];
    opts: { [name: string]: unknown };
    extensionsList: object[];
    emit(name: string, ...args: unknown[]): boolean;
    on(name: string, listener: (...args: never[]) => void): this;
  }
  class Template extends Obj {
    env: Environment;
    path: string;
    compiled: boolean;
    compile(): void;
  }
  const nunjucks: {
    lexer: { lex(source: string, options?: object): Tokenizer };
    nodes: { Node: typeof Node };
    parser: { Parser: typeof Parser };
    compiler: { Compiler: typeof Compiler };
    Loader: typeof Loader;
    Environment: typeof Environment;
    Template: typeof Template;
  };
  export default nunjucks;
}
