/** Temporary files and folders. */
import { randomInt } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import type { Py } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule } from './contract.ts';

const doc = docFor('temp');
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789_';
const TRIES = 100;

/** Makes something under a name that is free; `make` throws EEXIST where it is not. */
function fresh(a: Args, make: (path: string) => void): Py {
  const parent = (a['parent'] ?? null) === null ? tmpdir() : resolve(str(a['parent'] as Py));
  for (let i = 0; i < TRIES; i += 1) {
    const middle = Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
    const path = join(parent, `${str(a['prefix'] as Py)}${middle}${str(a['suffix'] as Py)}`);
    try {
      make(path);
      return path;
    } catch (e) {
      if (!(e instanceof Error && 'code' in e)) throw e;
      if (e.code === 'ENOENT')
        throw new SaltError('FileNotFoundError', `[Errno 2] No such file or directory: '${path}'`, {}, { cause: e });
      if (e.code !== 'EEXIST') throw e;
    }
  }
  throw new SaltError('CommandExecutionError', `No usable temporary name found in ${parent}`);
}

export default {
  doc: 'Makes temporary files and folders.',
  functions: {
    dir: fn(
      "dir(suffix='', prefix='tmp', parent=None)",
      doc(
        'Makes a folder that only its owner may enter, and answers its path.',
        'dir',
        'dir prefix=build- parent=/srv',
      ),
      (a) => fresh(a, (path) => mkdirSync(path, { mode: 0o700 })),
    ),
    file: fn(
      "file(suffix='', prefix='tmp', parent=None)",
      doc('Makes an empty file that only its owner may read, and answers its path.', 'file', 'file suffix=.conf'),
      (a) => fresh(a, (path) => closeSync(openSync(path, 'wx', 0o600))),
    ),
  },
} satisfies ExecutionModule;
