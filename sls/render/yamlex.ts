/** Renderer `yamlex`: YAML whose repeated keys are joined where their values are marked `!aggregate`. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { repr } from '../values.ts';
import { Aggregated, AggregatedList, mergeAggregated } from '../yaml/aggregate.ts';
import { CORE, Composer, resolvePlain, type YamlNode } from '../yaml/compose.ts';
import { Constructor } from '../yaml/construct.ts';
import { UNNAMED, YamlError } from '../yaml/error.ts';
import { textOf } from './yaml.ts';

const MARK = '!aggregate';
const RESET = '!reset';
const TEXT = `${CORE}str`;

class Joining {
  private later: (() => void)[] = [];
  /** Below a mark everything is complete at once; elsewhere lists are filled last, and a list that is joined before that is empty. */
  private complete = false;

  document(root: YamlNode): Py {
    const data = this.object(root);
    while (this.later.length) {
      const level = this.later;
      this.later = [];
      for (const f of level) f();
    }
    return data;
  }
  /** The value under a mark, without it. */
  private deep(n: YamlNode): Py {
    const outer = this.complete;
    this.complete = true;
    try {
      return this.plain(n.kind === 'scalar' ? { ...n, tag: CORE + resolvePlain(n.value) } : n);
    } finally {
      this.complete = outer;
    }
  }
  private marked(n: YamlNode): Py {
    const value = this.deep(n);
    if (n.kind === 'mapping') return new Aggregated(value as PyDict);
    if (value === null) return new AggregatedList();
    return AggregatedList.from_(n.kind === 'sequence' ? (value as Py[]) : [value]);
  }
  private object(n: YamlNode): Py {
    if (n.tag === MARK) return this.marked(n);
    if (n.tag === RESET) return this.deep(n);
    return this.plain(n);
  }
  private plain(n: YamlNode): Py {
    if (n.kind === 'mapping') return this.map(n);
    if (n.kind === 'sequence') {
      const list: Py[] = [];
      const fill = (): void => {
        for (const v of n.value) list.push(this.object(v));
      };
      if (this.complete) fill();
      else this.later.push(fill);
      return list;
    }
    const tag = n.tag.startsWith(CORE) ? n.tag : TEXT;
    return new Constructor(UNNAMED, true).document(tag === n.tag ? n : { ...n, tag }, false);
  }
  private map(n: YamlNode): PyDict {
    const out = new PyDict();
    for (const [keyNode, valueNode] of n.kind === 'mapping' ? n.value : []) {
      const reset = keyNode.tag === RESET;
      const key = this.object(keyNode.tag === MARK ? ({ ...keyNode, tag: TEXT } as YamlNode) : keyNode);
      if (Array.isArray(key) || key instanceof PyDict)
        throw new SaltError('SaltRenderError', `While constructing a mapping found unacceptable key ${repr(key)}`);
      const value = keyNode.tag === MARK ? this.marked(valueNode) : this.object(valueNode);
      const old = out.get(key);
      out.set(key, old === undefined || reset ? value : mergeAggregated(old, value));
    }
    return out;
  }
}

/** Reads yamlex into data; an empty document is an empty dict. Marks stay on the data for the joins of pillars. */
export function renderYamlex(input: Py): Py {
  const text = textOf(input);
  try {
    const root = new Composer(text, UNNAMED).single();
    return root === undefined ? new PyDict() : new Joining().document(root);
  } catch (e) {
    if (e instanceof YamlError) throw new SaltError('SaltRenderError', e.message, { ...e.details }, { cause: e });
    throw e;
  }
}
