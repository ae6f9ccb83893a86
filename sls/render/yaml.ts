/** Renderer `yaml`: the last stage of most SLS files. */
import { SaltError } from '../../bus/errors.ts';
import type { Py } from '../../bus/values.ts';
import { PyDict } from '../../bus/values.ts';
import { truth, typeName } from '../values.ts';
import { loadYaml, YamlError } from '../yaml.ts';
import type { RenderCtx } from './contract.ts';

/** The text of a stage's input; data of an earlier stage is no text, and is refused as the reference refuses it. */
export function textOf(input: Py): string {
  if (typeof input === 'string') return input;
  const module = input instanceof PyDict ? 'collections.OrderedDict' : typeName(input);
  throw new SaltError('AttributeError', `'${module}' object has no attribute 'read'`);
}

/**
 * Reads YAML into data; an empty document is an empty dict. A text the scanner refuses throws SaltError SaltRenderError with the
 * bare problem, one that the parser refuses or that makes no data with the whole message, as the reference does; `details` always
 * has `file`, `line` and `column`. An unknown alias, a forbidden character and a failed conversion pass as the {@link YamlError}.
 */
export function renderYaml(input: Py, ctx: RenderCtx): Py {
  const text = textOf(input);
  let data: Py;
  try {
    data = loadYaml(text, { omapAsMap: true });
  } catch (e) {
    if (!(e instanceof YamlError)) throw e;
    if (!['ScannerError', 'ParserError', 'ConstructorError', 'Recursive'].includes(e.kind)) throw e;
    const details = { file: ctx.path, line: e.details['line'], column: e.details['column'], problem: e.problem };
    throw new SaltError('SaltRenderError', e.kind === 'ScannerError' ? e.problem : e.message, details, { cause: e });
  }
  return truth(data) ? data : new PyDict();
}
