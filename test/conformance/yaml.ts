import { type Py, PyDict } from '../../bus/values.ts';
import { loadYaml, YamlError } from '../../sls/yaml.ts';
import { asRecorded, compared, type Outcome, recordedCases } from './recorded.ts';

function read(text: string): Py {
  try {
    return new PyDict([['data', asRecorded(loadYaml(text))]]);
  } catch (e) {
    if (!(e instanceof YamlError)) throw e;
    const error = new PyDict<Py>([
      ['class', e.kind],
      ['message', e.problem],
    ]);
    if (e.mark && e.kind !== 'Recursive') {
      error.set('line', e.mark.line + 1);
      error.set('column', e.mark.column + 1);
    }
    return new PyDict([['error', error]]);
  }
}

/** Runs the recorded YAML texts (`yaml.json`) through the loader: data, or class, message, line and column of the refusal. */
export function runYaml(dirOrFile: string): Outcome[] {
  return recordedCases(dirOrFile, 'yaml.json').map((c) =>
    compared(String(c.get('name')), read(String(c.get('text'))), c.get('expected') as Py),
  );
}
