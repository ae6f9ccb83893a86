/** Arguments of the managing functions as one request. */
import { type Py, PyDict } from '../../../bus/values.ts';
import type { Args } from '../../../sls/signature.ts';
import { str, truth } from '../../../sls/values.ts';
import type { ManageRequest } from './manage.ts';
import type { Managed } from './source.ts';

/** The request that the arguments of `manage_file`, `check_managed` and their kin make. */
export function requestOf(a: Args, name = str(a['name'] as Py)): ManageRequest {
  const flag = (key: string, otherwise = false): boolean => truth(a[key] ?? otherwise);
  return {
    name,
    template: a['template'] ?? null,
    source: a['source'] ?? null,
    hash: a['source_hash'] ?? null,
    hashName: a['source_hash_name'] ?? null,
    skipVerify: flag('skip_verify'),
    verifySsl: a['verify_ssl'] ?? true,
    useEtag: flag('use_etag'),
    saltenv: str(a['saltenv'] ?? 'base'),
    context: a['context'] ?? null,
    defaults: a['defaults'] ?? null,
    user: a['user'] ?? null,
    group: a['group'] ?? null,
    mode: a['mode'] ?? null,
    attrs: a['attrs'] ?? null,
    backup: a['backup'] ?? '',
    makedirs: flag('makedirs'),
    showChanges: flag('show_changes', true),
    contents: a['contents'] ?? null,
    dirMode: a['dir_mode'] ?? null,
    follow: flag('follow_symlinks'),
    keepMode: flag('keep_mode'),
    encoding: a['encoding'] ?? null,
    newFileDiff: flag('new_file_diff'),
    ignoring: {
      ordering: flag('ignore_ordering'),
      whitespace: flag('ignore_whitespace'),
      comments: a['ignore_comment_characters'] ?? null,
    },
  };
}

/** The source that a caller hands over as `sfn` and `source_sum`. */
export function givenSource(a: Args): Managed {
  const sum = a['source_sum'];
  const known = sum instanceof PyDict && sum.has('hsum');
  return {
    sfn: truth(a['sfn'] ?? '') ? str(a['sfn'] as Py) : '',
    sum: known
      ? { type: str(sum.get('hash_type') ?? 'sha256'), sum: str(sum.get('hsum') as Py).toLowerCase() }
      : undefined,
    error: '',
  };
}
