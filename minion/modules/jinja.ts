/** What templates import, looked at from outside of a template. */
import { SaltError } from '../../bus/errors.ts';
import type { Py } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('jinja');

/** The data a template's import gives, through the renderers of the configuration. */
function imported(statement: string, name: string, ctx: ModuleCtx): Py {
  if (!ctx.salt.has('slsutil.renderer'))
    throw new SaltError('CommandExecutionError', "'slsutil.renderer' is not available.");
  return ctx.salt.call('slsutil.renderer', [], {
    string: `{% ${statement} %}\n{{ ${name} | tojson }}\n`,
    default_renderer: ctx.opts.str('renderer', 'jinja|yaml'),
  });
}

export default {
  doc: 'Shows what templates of the state tree import.',
  functions: {
    load_map: fn(
      'load_map(path, value)',
      doc('A variable that a template of the state tree sets.', 'load_map web/map.jinja web'),
      (a, ctx) => {
        const name = str(a['value'] as Py);
        return imported(`from "${str(a['path'] as Py)}" import ${name} with context`, name, ctx);
      },
    ),
    import_yaml: fn(
      'import_yaml(path)',
      doc('Data of a YAML file of the state tree, as templates import it.', 'import_yaml web/defaults.yaml'),
      (a, ctx) => imported(`import_yaml "${str(a['path'] as Py)}" as imported`, 'imported', ctx),
    ),
    import_json: fn(
      'import_json(path)',
      doc('Data of a JSON file of the state tree, as templates import it.', 'import_json web/defaults.json'),
      (a, ctx) => imported(`import_json "${str(a['path'] as Py)}" as imported`, 'imported', ctx),
    ),
  },
} satisfies ExecutionModule;
