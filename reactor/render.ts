import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { type CallBack, PythonBridge } from '../sls/python/bridge.ts';
import type { Renderer } from '../sls/render/contract.ts';
import { jinja } from '../sls/render/jinja.ts';
import { compileTemplate, renderersWith } from '../sls/render/pipeline.ts';
import { pyRenderer } from '../sls/render/py.ts';

/** The template finder of imports and includes, and the functions that templates may call. */
export interface RenderPlace {
  find?(path: string, saltenv: string): { path: string; source: string } | undefined;
  /** `salt['a.b'](…)`, as the template engine and Python code reach it. */
  salt?: { lookup: Py; back: CallBack };
}

const noFunctions: CallBack = (name) => {
  if (name === '__has__') return false;
  throw new SaltError('CommandNotFoundError', `'${name}' is not available.`);
};

/** Says what the reference says when a template fails, then lets the error go on. */
const speaking =
  (render: Renderer): Renderer =>
  (input, ctx) => {
    try {
      return render(input, ctx);
    } catch (e) {
      ctx.log.error(`Rendering exception occurred\n${messageOf(e)}`);
      throw e;
    }
  };

/** Makes the renderer of reaction files; the Python process behind `#!py` starts when one is first met. */
export function reactionRenderer(
  opts: Opts,
  log: Log,
  place: RenderPlace = {},
): (source: string, path: string, context: PyDict) => Py {
  let bridge: PythonBridge | undefined;
  const python = (): PythonBridge => {
    bridge ??= new PythonBridge();
    return bridge;
  };
  const renderers = renderersWith({
    jinja: speaking(jinja),
    py: pyRenderer(python, place.salt?.back ?? noFunctions),
  });
  return (source, path, context) => {
    const all = new PyDict(context);
    for (const [k, v] of [
      ['opts', opts.data],
      ['saltenv', 'base'],
      ['env', 'base'],
      ['sls', ''],
    ] as const)
      if (!all.has(k)) all.set(k, v);
    if (place.salt) all.set('salt', place.salt.lookup);
    return compileTemplate(
      source,
      { opts, log, context: all, path, saltenv: 'base', sls: '', ...(place.find ? { find: place.find } : {}) },
      renderers,
    );
  };
}
