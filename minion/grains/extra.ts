/** The operator's own grains file, the shell, and how the machine boots. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../../bus/errors.ts';
import { PyDict } from '../../bus/values.ts';
import { loadYaml } from '../../sls/yaml.ts';
import { readText } from '../machine/read.ts';
import { which } from '../process/which.ts';
import type { GrainsCtx, GrainsModule } from './contract.ts';

function fileGrains(ctx: GrainsCtx): PyDict {
  const conf = ctx.opts.str('conf_file');
  if (!conf) return new PyDict();
  const folder = statSync(conf, { throwIfNoEntry: false })?.isDirectory() ? conf : dirname(conf);
  const path = join(folder, 'grains');
  const text = readText(path);
  if (text === undefined) return new PyDict();
  try {
    const read = loadYaml(text, { file: path });
    return read instanceof PyDict ? read : new PyDict();
  } catch (e) {
    ctx.log.warning(`Bad syntax in grains file! Skipping. (${messageOf(e)})`);
    return new PyDict();
  }
}

const EFI = ['/sys/firmware/efi/efivars', '/sys/firmware/efi/vars'];

function secureBoot(folder: string): boolean {
  const found = readdirSync(folder).filter((n) => n.startsWith('SecureBoot-'));
  if (found.length !== 1) return false;
  const path = join(folder, found[0] as string, ...(folder.endsWith('efivars') ? [] : ['data']));
  try {
    return readFileSync(path).at(-1) === 1;
  } catch {
    return false; // readable by root only
  }
}

export default {
  functions: {
    config: fileGrains,
    shell: () => new PyDict([['shell', process.env['SHELL'] ?? '/bin/sh']]),
    transactional: () => new PyDict([['transactional', which('transactional-update') !== undefined]]),
    uefi: () => {
      const folder = EFI.find((f) => existsSync(f));
      return new PyDict([
        ['efi', folder !== undefined],
        ['efi-secure-boot', folder !== undefined && secureBoot(folder)],
      ]);
    },
  },
  provides: { shell: ['shell'], transactional: ['transactional'], uefi: ['efi', 'efi-secure-boot'] },
} satisfies GrainsModule;
