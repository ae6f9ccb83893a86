import { readFileSync } from 'node:fs';
import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { PythonBridge } from '../sls/python/bridge.ts';
import type { GrainsCtx, GrainsModule } from './grains/contract.ts';

/** An operator's own Python file of grains as a module of ours: each public function answers a dict. Its Python ends with the call. */
export function pythonGrains(path: string): GrainsModule {
  const source = readFileSync(path, 'utf8');
  const bridge = new PythonBridge();
  const found = bridge.describe(path, source, () => null);
  bridge.close();
  const run =
    (fun: string) =>
    (ctx: GrainsCtx): PyDict => {
      const python = new PythonBridge();
      try {
        const globals = { __opts__: ctx.opts.data, __grains__: ctx.grains, __pillar__: ctx.opts.dict('pillar') };
        const got: Py = python.call({ path, source, globals, function: fun }, (name, args, kwargs) => {
          if (name === '__has__') return ctx.salt !== undefined;
          if (!ctx.salt)
            throw new SaltError('CommandNotFoundError', `'${name}' is not available while grains are found.`);
          return ctx.salt(name, args, kwargs);
        });
        return got instanceof PyDict ? got : new PyDict();
      } finally {
        python.close();
      }
    };
  return { functions: Object.fromEntries([...found.functions].map(([name, f]) => [name, run(f.function)])) };
}
