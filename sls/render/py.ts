/** Renderer `py`: an SLS that is a Python file; its `run()` answers the data. */
import { type Py, PyDict } from '../../bus/values.ts';
import type { CallBack, PythonBridge } from '../python/bridge.ts';
import { str } from '../values.ts';
import type { Renderer } from './contract.ts';

/**
 * Makes the renderer over a bridge. The file sees what a template sees (`grains`, `pillar`, `saltenv`, `sls`, `data`, `tag` …), `__opts__`
 * and the underscored names of modules; `salt` and `__salt__` call back.
 */
export function pyRenderer(bridge: () => PythonBridge, back: CallBack): Renderer {
  return (input, ctx) => {
    const globals: Record<string, Py> = {};
    for (const [k, v] of ctx.context) if (k !== 'salt') globals[str(k)] = v;
    const named: Record<string, Py> = {
      __opts__: ctx.opts.data,
      __grains__: globals['grains'] ?? new PyDict(),
      __pillar__: globals['pillar'] ?? new PyDict(),
      __env__: ctx.saltenv,
      opts: ctx.opts.data,
      saltenv: ctx.saltenv,
      env: ctx.saltenv,
      sls: ctx.sls,
    };
    return bridge().call(
      { path: ctx.path, source: str(input), globals: { ...named, ...globals }, function: 'run' },
      back,
    );
  };
}
