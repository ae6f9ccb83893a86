/** The master's configuration files. */
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { loadConfig } from '../../sls/config.ts';
import { readConfigFile } from '../../sls/config-file.ts';
import { fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import { dumpYaml } from '../../sls/yaml.ts';
import { insidePath } from '../inside-path.ts';
import type { WheelCtx, WheelModule } from './contract.ts';

/** The main file; a folder means the file `master` in it. */
function mainFile(ctx: WheelCtx): string {
  const path = ctx.opts.str('conf_file', '/etc/salt/master');
  return existsSync(path) && statSync(path).isDirectory() ? join(path, 'master') : path;
}

/** Replaces a file as a whole, with the mode it had. */
function replace(path: string, text: string): void {
  const mode = existsSync(path) ? statSync(path).mode & 0o777 : 0o640;
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}

export default {
  doc: "Shows and changes the master's configuration.",
  functions: {
    values: fn(
      'values()',
      'The configuration as its files say now.\n\nCLI Example:\n\n    salt-call saltutil.wheel config.values',
      (_a, ctx) =>
        loadConfig('master', {
          configDir: dirname(mainFile(ctx)),
          configFile: mainFile(ctx),
          log: ctx.log,
          strict: false,
          cacheId: false,
        }).data,
    ),
    apply: fn(
      'apply(key, value)',
      'Sets an option in the main file, which loses its comments. Counts from the next start on.\n\nCLI Example:\n\n    salt-call saltutil.wheel config.apply log_level debug',
      (a, ctx) => {
        const path = mainFile(ctx);
        const own = existsSync(path) ? readConfigFile(path, ctx.log) : new PyDict();
        own.set(a['key']!, a['value']!);
        replace(path, dumpYaml(own, { flowStyle: false }));
        return null;
      },
    ),
    update_config: fn(
      'update_config(file_name, yaml_contents)',
      'Writes options to a file of this name, with .conf, in the folder of default_include. Counts from the next start on.\n\nCLI Example:\n\n    salt-call saltutil.wheel config.update_config gui \'{"timeout": 10}\'',
      (a, ctx): Py => {
        const name = `${str(a['file_name']!)}.conf`;
        const base = ctx.opts.str('config_dir') || dirname(mainFile(ctx));
        const dir = join(base, dirname(ctx.opts.str('default_include', 'master.d/*.conf')));
        try {
          const text = dumpYaml(a['yaml_contents']!, { flowStyle: false });
          mkdirSync(dir, { recursive: true, mode: 0o755 });
          const path = name.includes('/') ? undefined : insidePath(dir, name);
          if (path === undefined) return 'Invalid path';
          replace(path, text);
          return `Wrote ${name}`;
        } catch (e) {
          const expected = e instanceof SaltError || (e as NodeJS.ErrnoException).code !== undefined;
          if (!expected) throw e;
          return messageOf(e);
        }
      },
    ),
  },
} satisfies WheelModule;
