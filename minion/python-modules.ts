import { readFileSync } from 'node:fs';
import { type Py, PyDict } from '../bus/values.ts';
import { parseSignature } from '../sls/bind.ts';
import { type CallBack, PythonBridge } from '../sls/python/bridge.ts';
import type { Args, Fn } from '../sls/signature.ts';
import { fn } from '../sls/signature.ts';
import type { ExecutionModule, ModuleCtx } from './modules/contract.ts';

/** How Python code reaches the functions of a context, as `__salt__`. */
export function saltOf(ctx: ModuleCtx): CallBack {
  return (name, args, kwargs) =>
    name === '__has__' ? ctx.salt.has(String(args[0])) : ctx.salt.call(name, args, kwargs);
}

const nothing: CallBack = () => null;

/** The names that operators' modules find in their globals. */
export function dunders(ctx: ModuleCtx): Record<string, Py> {
  return {
    __opts__: ctx.opts.data,
    __grains__: ctx.grains,
    __pillar__: ctx.pillar,
    __context__: ctx.context,
  };
}

/** Operators' own Python files as modules of ours; they share one Python process, started when the first of them is loaded. */
export class PythonModules {
  private bridge: PythonBridge | undefined;

  private get python(): PythonBridge {
    this.bridge ??= new PythonBridge();
    return this.bridge;
  }

  /** Loads one file. Throws SaltRenderError with Python's words when it does not compile or its top level fails. */
  execution(path: string): ExecutionModule {
    const source = readFileSync(path, 'utf8');
    const found = this.python.describe(path, source, nothing);
    const functions: Record<string, Fn<ModuleCtx>> = {};
    for (const [name, f] of found.functions) {
      functions[name] = fn(f.sig, f.doc, (bound, ctx) => {
        const { args, kwargs } = unbind(f.sig, bound);
        return this.python.call(
          { path, source, globals: dunders(ctx), function: f.function, args, kwargs },
          saltOf(ctx),
        );
      });
    }
    return {
      doc: found.doc,
      functions,
      ...(found.virtual
        ? {
            virtual: (ctx: ModuleCtx) => {
              const answer = this.python.call(
                { path, source, globals: dunders(ctx), function: '__virtual__' },
                saltOf(ctx),
              );
              if (answer === true || (typeof answer === 'string' && answer)) return answer;
              const reason = Array.isArray(answer) ? answer[1] : undefined;
              return {
                reason: typeof reason === 'string' ? reason : `The module's __virtual__ answered ${String(answer)}`,
              };
            },
          }
        : found.virtualName
          ? { virtual: () => found.virtualName as string }
          : {}),
    };
  }

  /** Ends the Python process, if there is one. */
  close(): void {
    this.bridge?.close();
    this.bridge = undefined;
  }
}

/** Bound arguments back into a call: parameters by position, `*` and `**` spread, keyword-only ones by name. */
function unbind(sig: string, bound: Args): { args: Py[]; kwargs: PyDict } {
  const { params } = parseSignature(sig);
  const args: Py[] = [];
  const kwargs = new PyDict();
  for (const p of params) {
    const v = bound[p.name] as Py;
    if (p.kind === 'plain') args.push(v);
    else if (p.kind === 'var') args.push(...(v as Py[]));
    else if (p.kind === 'kw') for (const [k, x] of v as PyDict) kwargs.set(k, x as Py);
    else kwargs.set(p.name, v);
  }
  return { args, kwargs };
}
