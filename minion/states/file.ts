/** States of files and folders. */
import { type Fn, fn } from '../../sls/signature.ts';
import type { StateCtx, StateModule } from './contract.ts';
import { accumulated } from './file/accumulate.ts';
import { directory, recurse } from './file/directory.ts';
import { append, blockreplace, comment, keyvalue, line, prepend, replace, uncomment } from './file/edits.ts';
import {
  absent,
  copy,
  exists,
  hardlink,
  missing,
  mknod,
  pruned,
  rename,
  symlink,
  tidied,
  touch,
} from './file/links.ts';
import { managed } from './file/managed.ts';
import { cached, modBeacon, modRunCheckCmd, notCached, patch, retention, shortcut } from './file/others.ts';
import { decode, serialize } from './file/serialized.ts';
import { SIG } from './file/signatures.ts';

const functions: Record<string, Fn<StateCtx>> = {
  absent: fn(SIG.absent, 'Makes sure that a file or folder is not there.', absent),
  accumulated: fn(SIG.accumulated, 'Gathers text for a file that is managed later in the run.', accumulated),
  append: fn(SIG.append, 'Makes sure that text is in a file; adds what is not to its end.', append),
  blockreplace: fn(SIG.blockreplace, 'Keeps the text between two marking lines as given.', blockreplace),
  cached: fn(SIG.cached, "Makes sure that a file is in the minion's cache.", cached),
  comment: fn(SIG.comment, 'Comments out lines that match.', comment),
  copy: fn(SIG.copy, 'Copies a file or folder of the minion, unless the target is there.', copy),
  decode: fn(SIG.decode, 'Writes a file from Base64.', decode),
  directory: fn(
    SIG.directory,
    'Makes sure that a folder is there, with owner and mode; clean removes what nobody put in it.',
    directory,
  ),
  exists: fn(SIG.exists, 'Fails unless a path is there.', exists),
  hardlink: fn(SIG.hardlink, 'Makes sure that a hard link is there.', hardlink),
  keyvalue: fn(SIG.keyvalue, 'Keeps values of keys in a file of `key=value` lines.', keyvalue),
  line: fn(SIG.line, 'Inserts, ensures, replaces or deletes one line.', line),
  managed: fn(
    SIG.managed,
    "Makes a file's content, owner and mode as given: from a source, a template, or contents.",
    managed,
  ),
  missing: fn(SIG.missing, 'Fails if a path is there.', missing),
  mknod: fn(SIG.mknod, 'Makes sure that a device or a pipe is there.', mknod),
  mod_beacon: fn(SIG.mod_beacon, 'Makes a beacon for a managed path.', modBeacon),
  mod_run_check_cmd: fn(SIG.mod_run_check_cmd, 'Runs a check on a file.', modRunCheckCmd),
  not_cached: fn(SIG.not_cached, "Makes sure that a file is not in the minion's cache.", notCached),
  patch: fn(SIG.patch, 'Makes sure that a patch is applied.', patch),
  prepend: fn(SIG.prepend, 'Makes sure that text is in a file; adds what is not to its beginning.', prepend),
  pruned: fn(SIG.pruned, 'Removes an empty folder, or all empty folders below it.', pruned),
  recurse: fn(SIG.recurse, 'Keeps a folder as a folder of the file server is.', recurse),
  rename: fn(SIG.rename, 'Moves a file or folder, unless the target is there.', rename),
  replace: fn(SIG.replace, 'Replaces what a pattern matches.', replace),
  retention_schedule: fn(
    SIG.retention_schedule,
    'Keeps some of the files of a folder by their age, removes the others.',
    retention,
  ),
  serialize: fn(SIG.serialize, 'Writes data as YAML, JSON or another form.', serialize),
  shortcut: fn(SIG.shortcut, 'Makes a shortcut; on Windows only.', shortcut),
  symlink: fn(SIG.symlink, 'Makes sure that a symbolic link is there.', symlink),
  tidied: fn(SIG.tidied, 'Removes files of a folder by age, size and name.', tidied),
  touch: fn(SIG.touch, 'Makes an empty file, or sets the times of one.', touch),
  uncomment: fn(SIG.uncomment, 'Takes the comment sign off lines that match.', uncomment),
};

export default { doc: 'Manages files and folders.', functions } satisfies StateModule;
