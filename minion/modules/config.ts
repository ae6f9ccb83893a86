/** The minion's options, with pillar, grains and built-in defaults behind them. */
import { type Py, PyDict, PyTuple, toPy } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { traverse } from '../../sls/traverse.ts';
import { deepCopy, str, truth } from '../../sls/values.ts';
import { dictUpdate } from '../dict-update.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

/** What modules take when nobody configures it. */
function defaults(): PyDict {
  return toPy({
    'mongo.db': 'salt',
    'mongo.password': '',
    'mongo.port': 27017,
    'mongo.user': '',
    'redis.db': '0',
    'redis.host': 'salt',
    'redis.port': 6379,
    'test.foo': 'unconfigured',
    'ca.cert_base_path': '/etc/pki',
    'solr.cores': [],
    'solr.host': 'localhost',
    'solr.port': '8983',
    'solr.baseurl': '/solr',
    'solr.type': 'master',
    'solr.request_timeout': null,
    'solr.init_script': '/etc/rc.d/solr',
    'solr.dih.import_options': { clean: false, optimize: true, commit: true, verbose: false },
    'solr.backup_path': null,
    'solr.num_backups': 1,
    'poudriere.config': '/usr/local/etc/poudriere.conf',
    'poudriere.config_dir': '/usr/local/etc/poudriere.d',
    'ldap.uri': '',
    'ldap.server': 'localhost',
    'ldap.port': '389',
    'ldap.tls': false,
    'ldap.no_verify': false,
    'ldap.anonymous': true,
    'ldap.scope': 2,
    'ldap.attrs': null,
    'ldap.binddn': '',
    'ldap.bindpw': '',
    'hosts.file': '/etc/hosts',
    'aliases.file': '/etc/aliases',
    virt: { tunnel: false, images: '/srv/salt-images' },
    'docker.exec_driver': 'docker-exec',
    'docker.compare_container_networks': {
      static: ['Aliases', 'Links', 'IPAMConfig'],
      automatic: ['IPAddress', 'Gateway', 'GlobalIPv6Address', 'IPv6Gateway'],
    },
  }) as PyDict;
}

const masterOf = (ctx: ModuleCtx): PyDict => {
  const m = ctx.pillar.get('master');
  return m instanceof PyDict ? m : new PyDict();
};
const on = (a: Args, key: string): boolean => truth(a[key] ?? false);

function option(a: Args, ctx: ModuleCtx): Py {
  const all = on(a, 'omit_all');
  const sources: [omit: boolean, data: PyDict][] = [
    [all || on(a, 'omit_opts'), ctx.opts.data],
    [all || on(a, 'omit_grains'), ctx.grains],
    [all || on(a, 'omit_pillar'), ctx.pillar],
    [all || on(a, 'omit_master'), masterOf(ctx)],
    [false, defaults()],
  ];
  const used = sources.filter(([omit]) => !omit).map(([, data]) => data);
  const value = a['value'] as Py;
  if (!on(a, 'wildcard')) {
    const found = used.find((d) => d.has(value));
    return found ? (found.get(value) as Py) : (a['default'] ?? '');
  }
  const ret = new PyDict();
  const matching = (d: PyDict): Py[] => [...d.keys()].filter((k) => typeof k === 'string' && fnmatch(k, str(value)));
  const own = used.slice(0, -1).reverse();
  for (const d of own) for (const k of matching(d)) ret.set(k, d.get(k) as Py);
  for (const d of used.slice(-1)) for (const k of matching(d)) if (!ret.has(k)) ret.set(k, d.get(k) as Py);
  return ret.size ? ret : (a['default'] ?? new PyDict());
}

const isList = (v: Py): v is Py[] => Array.isArray(v);

function merge(a: Args, ctx: ModuleCtx): Py {
  const value = a['value'] as Py;
  const sources: [boolean, PyDict][] = [
    [on(a, 'omit_opts'), ctx.opts.data],
    [on(a, 'omit_master'), masterOf(ctx)],
    [on(a, 'omit_pillar'), ctx.pillar],
  ];
  let ret: Py = null;
  for (const [omit, data] of sources) {
    if (omit || !data.has(value)) continue;
    const more = data.get(value) as Py;
    if (ret === null) {
      ret = more;
      if (typeof ret === 'string') return ret;
    } else if (ret instanceof PyDict && more instanceof PyDict) {
      const joined = new PyDict(more);
      for (const [k, v] of ret) joined.set(k, v);
      ret = joined;
    } else if (isList(ret) && isList(more)) ret = [...ret, ...more];
  }
  return ret ?? defaults().get(value) ?? (a['default'] as Py);
}

/** A value that is an address of a secret store is replaced by what the store holds. */
function resolved(v: Py, ctx: ModuleCtx): Py {
  return typeof v === 'string' && v.startsWith('sdb://') && ctx.salt.has('sdb.get') ? ctx.salt.call('sdb.get', [v]) : v;
}

/** One dict over another without changing either; `overwrite` replaces whole top keys. */
function over(below: PyDict, above: PyDict, strategy: string, lists: boolean): PyDict {
  if (strategy !== 'overwrite') return dictUpdate(deepCopy(below), above, lists);
  const out = new PyDict(below);
  for (const [k, v] of above) out.set(k, v);
  return out;
}

function get(a: Args, ctx: ModuleCtx): Py {
  const key = str(a['key'] as Py);
  const delimiter = str(a['delimiter'] as Py);
  const find = (data: PyDict): Py | undefined => traverse(data, key, delimiter);
  if (a['merge'] === null) {
    for (const [omit, data] of [
      [on(a, 'omit_opts'), (): PyDict => ctx.opts.data],
      [on(a, 'omit_grains'), (): PyDict => ctx.grains],
      [on(a, 'omit_pillar'), (): PyDict => ctx.pillar],
      [on(a, 'omit_master'), (): PyDict => masterOf(ctx)],
      [false, defaults],
    ] as const) {
      const found = omit ? undefined : find(data());
      if (found !== undefined) return resolved(found, ctx);
    }
    return a['default'] as Py;
  }
  let strategy = str(a['merge'] as Py);
  if (strategy !== 'recurse' && strategy !== 'overwrite') {
    ctx.log.warning(`Unsupported merge strategy '${strategy}'. Falling back to 'recurse'.`);
    strategy = 'recurse';
  }
  let data = defaults();
  for (const above of [masterOf(ctx), ctx.pillar, ctx.grains, ctx.opts.data])
    data = over(data, above, strategy, ctx.opts.flag('pillar_merge_lists'));
  const found = find(data);
  return found === undefined ? (a['default'] as Py) : resolved(found, ctx);
}

/** A file mode as text of at least four digits: `644` is `0644`. */
export function manageMode(mode: Py): Py {
  if (mode === null) return null;
  return str(mode)
    .replace(/^[0Oo]+/, '')
    .replace(/^["']+|["']+$/g, '')
    .padStart(4, '0');
}

const PROTOCOLS = new Set(['salt', 'http', 'https', 'ftp', 's3', 'swift', 'file']);

export default {
  doc: 'Reads the configuration: options of the minion, then grains, pillar, the master part of the pillar, and defaults.',
  functions: {
    get: fn(
      "get(key, default='', delimiter=':', merge=None, omit_opts=False, omit_pillar=False, omit_master=False, omit_grains=False)",
      `Answers a setting by its path with colons, from the first of these that has it: the minion's options, its grains, its pillar,
the master's options in the pillar, the built-in defaults. merge=recurse lays all of them over one another first, merge=overwrite
does so for whole top keys. omit_… leaves a source out.

CLI Example:

.. code-block:: bash

    salt '*' config.get id
    salt '*' config.get app:port default=8080`,
      get,
    ),
    option: fn(
      'option(value, default=None, omit_opts=False, omit_grains=False, omit_pillar=False, omit_master=False, omit_all=False, wildcard=False)',
      `Answers a setting by its plain name from options, grains, pillar, master options or defaults. With wildcard=True the name is
a glob and the answer a map.

CLI Example:

.. code-block:: bash

    salt '*' config.option redis.host
    salt '*' config.option 'redis.*' wildcard=True`,
      option,
    ),
    merge: fn(
      "merge(value, default='', omit_opts=False, omit_master=False, omit_pillar=False)",
      `Answers a setting with what options, master options and pillar hold of it joined: dicts by key, lists one after another.

CLI Example:

.. code-block:: bash

    salt '*' config.merge schedule`,
      merge,
    ),
    dot_vals: fn(
      'dot_vals(value)',
      `Answers every setting whose name begins with the word and a dot.

CLI Example:

.. code-block:: bash

    salt '*' config.dot_vals redis`,
      (a, ctx: ModuleCtx) => {
        const ret = new PyDict();
        for (const d of [masterOf(ctx), ctx.opts.data])
          for (const [k, v] of d) if (str(k).startsWith(`${str(a['value'] as Py)}.`)) ret.set(k, v);
        return ret;
      },
    ),
    backup_mode: fn(
      "backup_mode(backup='')",
      `The way files are backed up before they change: the one given, or the configured one.

CLI Example:

.. code-block:: bash

    salt '*' config.backup_mode`,
      (a, ctx: ModuleCtx) =>
        truth(a['backup'] as Py) ? (a['backup'] as Py) : option({ value: 'backup_mode', default: null }, ctx),
    ),
    manage_mode: fn(
      'manage_mode(mode)',
      `A file mode in the form the other functions take.

CLI Example:

.. code-block:: bash

    salt '*' config.manage_mode 644`,
      (a) => manageMode(a['mode'] as Py),
    ),
    valid_fileproto: fn(
      'valid_fileproto(uri)',
      `Whether an address has a form that files can be fetched from.

CLI Example:

.. code-block:: bash

    salt '*' config.valid_fileproto salt://path/to/file`,
      (a) => PROTOCOLS.has((/^([A-Za-z][\w+.-]*):/.exec(str(a['uri'] as Py))?.[1] ?? '').toLowerCase()),
    ),
    gather_bootstrap_script: fn(
      'gather_bootstrap_script(bootstrap=None)',
      `Fetches the script that installs minions on new machines. It belongs to salt-cloud, which is not part of this program: the
answer says so.

CLI Example:

.. code-block:: bash

    salt '*' config.gather_bootstrap_script`,
      () => PyTuple.from_<Py>([false, 'config.gather_bootstrap_script is unavailable']),
    ),
    items: fn(
      'items()',
      `Answers all options of the minion.

CLI Example:

.. code-block:: bash

    salt '*' config.items`,
      (_a, ctx: ModuleCtx) => ctx.opts.data,
    ),
  },
} satisfies ExecutionModule;
