/** Names in a low chunk that the state system reads itself, and that no state function is handed. */
import { REQUISITES } from '../../sls/requisites.ts';

/** Requisites by name. */
export const REQUISITE_KEYWORDS: ReadonlySet<string> = REQUISITES;

/** Everything that the runtime takes for itself. */
export const INTERNAL_KEYWORDS: ReadonlySet<string> = new Set([
  ...REQUISITES,
  ...['onchanges_in', 'onfail_in', 'prereq_in', 'watch_in', 'require_in', 'listen_in', 'prereq', 'use', 'use_in'],
  ...['fun', 'state', 'order', 'failhard', 'retry', 'parallel', 'fire_event', 'saltenv', 'umask', 'no_log'],
  ...['check_cmd', 'cmd_opts_exclude', 'onlyif', 'unless', 'creates', 'runas', 'runas_password'],
  ...['reload_modules', 'reload_grains', 'reload_pillar'],
  ...['__env__', '__sls__', '__id__', '__sls_included_from__', '__orchestration_jid__'],
  ...['user', 'arg', 'jid', 'fun', 'tgt', 'ret', 'pid', 'tgt_type', 'resource_targets'].map((k) => `__pub_${k}`),
  ...['minion_is_target', 'resource_target', 'resource_job', 'pure_resource_target'].map((k) => `__pub_${k}`),
  ...['__prereq__', '__prerequiring__', '__umask__'],
]);
