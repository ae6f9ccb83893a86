import { type Mark, YamlError, type YamlErrorKind } from './error.ts';
import { Scanner, type Token, type TokenType } from './scanner.ts';

/** What the short handle `!!` stands for. */
export const CORE = 'tag:yaml.org,2002:';

interface NodeBase {
  tag: string;
  readonly start: Mark;
}
/** A scalar with its text; the tag is resolved. */
export interface ScalarNode extends NodeBase {
  readonly kind: 'scalar';
  value: string;
}
/** A sequence of nodes. */
export interface SequenceNode extends NodeBase {
  readonly kind: 'sequence';
  value: YamlNode[];
}
/** A mapping as pairs in order of writing, duplicates and merge keys still in it. */
export interface MappingNode extends NodeBase {
  readonly kind: 'mapping';
  value: [YamlNode, YamlNode][];
}
/** A node of a document; an alias is the very node it names. */
export type YamlNode = ScalarNode | SequenceNode | MappingNode;

const BOOL = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const INT =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const TIMESTAMP =
  /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/;

/** The tag (after {@link CORE}) that an untagged plain scalar has by its text. */
export function resolvePlain(text: string): string {
  const c = text.charCodeAt(0);
  if (text === '') return 'null';
  // A letter other than those that begin a word of the language, or a digit, sign or point: all else is text.
  if ((c >= 48 && c <= 57) || c === 43 || c === 45 || c === 46) {
    if (FLOAT.test(text)) return 'float';
    if (INT.test(text)) return 'int';
    return TIMESTAMP.test(text) ? 'timestamp' : 'str';
  }
  if (text.length > 5) return 'str';
  if (BOOL.test(text)) return 'bool';
  if (NULL.test(text)) return 'null';
  return text === '<<' ? 'merge' : text === '=' ? 'value' : 'str';
}

/** How deep collections may stand in each other before a text is refused. */
const DEEPEST = 1000;

/** Reads one document into nodes, with the reference's grammar and complaints. */
export class Composer {
  private readonly scanner: Scanner;
  private handles = new Map<string, string>();
  private readonly anchors = new Map<string, YamlNode>();
  private readonly open = new Set<YamlNode>();
  private depth = 0;
  /** Whether any node occurs more than once. */
  aliased = false;
  /** Where an alias first stood inside the node it names. */
  private cycle: Mark | undefined;

  constructor(
    text: string,
    private readonly file: string,
  ) {
    this.scanner = new Scanner(text, file);
  }

  /** The text's only document; undefined when there is none. */
  single(): YamlNode | undefined {
    if (this.type() === 'stream-end') return undefined;
    const implicit = !['version', 'tag-directive', 'doc-start'].includes(this.type());
    if (!implicit) this.explicitStart();
    if (this.type() === 'stream-end') return undefined;
    if (!this.handles.size) this.handles = this.standardHandles();
    const node = implicit ? this.node(true, false) : this.content();
    if (this.type() === 'doc-end') this.scanner.skip();
    const next = this.token();
    if (next.type !== 'stream-end') {
      const start = this.explicitStart();
      if (start)
        this.refuse(
          'ComposerError',
          'but found another document',
          start,
          'expected a single document in the stream',
          node.start,
        );
    }
    if (this.cycle) this.refuse('Recursive', 'data refers to itself', this.cycle);
    return node;
  }

  private token(): Token {
    return this.scanner.peek();
  }
  private type(): TokenType {
    return this.scanner.peek().type;
  }
  private refuse(kind: YamlErrorKind, problem: string, mark: Mark, context?: string, contextMark?: Mark): never {
    throw new YamlError({ kind, problem, mark, context, contextMark }, this.file);
  }
  private standardHandles(): Map<string, string> {
    return new Map([
      ['!', '!'],
      ['!!', CORE],
    ]);
  }
  /** Reads `...` lines, directives and `---`; answers where they began, undefined at the end of the stream. */
  private explicitStart(): Mark | undefined {
    while (this.type() === 'doc-end') this.scanner.skip();
    if (this.type() === 'stream-end') return undefined;
    const start = this.token().start;
    const handles = new Map<string, string>();
    let version = false;
    for (let t = this.token(); t.type === 'version' || t.type === 'tag-directive'; t = this.token()) {
      if (t.type === 'version') {
        if (version) this.refuse('ParserError', 'found duplicate %YAML directive', t.start);
        version = true;
        if (t.handle !== '1' || (t.value !== '1' && t.value !== '2'))
          this.refuse('ParserError', 'found incompatible YAML document', t.start);
      } else {
        if (handles.has(t.handle as string)) this.refuse('ParserError', 'found duplicate %TAG directive', t.start);
        handles.set(t.handle as string, t.value as string);
      }
      this.scanner.skip();
    }
    if (this.type() !== 'doc-start')
      this.refuse('ParserError', 'did not find expected <document start>', this.token().start);
    this.scanner.skip();
    for (const [k, v] of this.standardHandles()) if (!handles.has(k)) handles.set(k, v);
    this.handles = handles;
    return start;
  }
  private content(): YamlNode {
    const t = this.token();
    if (['version', 'tag-directive', 'doc-start', 'doc-end', 'stream-end'].includes(t.type)) return this.empty(t.start);
    return this.node(true, false);
  }
  private empty(start: Mark): YamlNode {
    return { kind: 'scalar', tag: `${CORE}null`, start, value: '' };
  }

  private node(block: boolean, indentless: boolean): YamlNode {
    let t = this.token();
    if (t.type === 'alias') return this.alias(t);
    const start = t.start;
    let anchor: string | undefined;
    let tag: Token | undefined;
    while ((t.type === 'anchor' && anchor === undefined) || (t.type === 'tag' && tag === undefined)) {
      if (t.type === 'anchor') anchor = t.value as string;
      else tag = t;
      this.scanner.skip();
      t = this.token();
    }
    const name = tag && this.tagName(tag, start);
    const collection = name === undefined || name === '' || name === '!' ? undefined : name;
    switch (t.type) {
      case 'scalar': {
        const resolved =
          collection ??
          CORE + ((t.plain && name === undefined) || name === '!' ? resolvePlain(t.value as string) : 'str');
        this.scanner.skip();
        const node: YamlNode = { kind: 'scalar', tag: resolved, start, value: t.value as string };
        this.remember(anchor, node);
        return node;
      }
      case '-':
        if (!indentless) break;
        return this.sequence(anchor, collection, start, (n) => this.indentless(n));
      case '[':
        return this.sequence(anchor, collection, start, (n) => this.flowSequence(n));
      case '{':
        return this.mapping(anchor, collection, start, (n) => this.flowMapping(n));
      case 'block-seq':
        if (!block) break;
        return this.sequence(anchor, collection, start, (n) => this.blockSequence(n));
      case 'block-map':
        if (!block) break;
        return this.mapping(anchor, collection, start, (n) => this.blockMapping(n));
    }
    if (anchor === undefined && name === undefined)
      this.refuse(
        'ParserError',
        'did not find expected node content',
        t.start,
        block ? 'while parsing a block node' : 'while parsing a flow node',
        start,
      );
    const node: YamlNode = {
      kind: 'scalar',
      tag: collection ?? CORE + (name === undefined ? 'null' : 'str'),
      start,
      value: '',
    };
    this.remember(anchor, node);
    return node;
  }
  private tagName(tag: Token, start: Mark): string {
    if (!tag.handle) return tag.value as string;
    const prefix = this.handles.get(tag.handle);
    if (prefix === undefined)
      this.refuse('ParserError', 'found undefined tag handle', tag.start, 'while parsing a node', start);
    return prefix + tag.value;
  }
  private alias(t: Token): YamlNode {
    this.scanner.skip();
    this.aliased = true;
    const node = this.anchors.get(t.value as string);
    if (!node) return this.refuse('ComposerError', 'found undefined alias', t.start);
    // The reference builds data that contains itself and fails later, in whatever walks it.
    if (this.open.has(node)) this.cycle ??= t.start;
    return node;
  }
  private remember(anchor: string | undefined, node: YamlNode): void {
    if (anchor === undefined) return;
    const first = this.anchors.get(anchor);
    if (first)
      this.refuse(
        'ComposerError',
        'second occurrence',
        node.start,
        'found duplicate anchor; first occurrence',
        first.start,
      );
    this.anchors.set(anchor, node);
  }
  private sequence(
    anchor: string | undefined,
    tag: string | undefined,
    start: Mark,
    fill: (node: SequenceNode) => void,
  ): YamlNode {
    const node: SequenceNode = { kind: 'sequence', tag: tag ?? `${CORE}seq`, start, value: [] };
    this.inside(anchor, node, () => fill(node));
    return node;
  }
  private mapping(
    anchor: string | undefined,
    tag: string | undefined,
    start: Mark,
    fill: (node: MappingNode) => void,
  ): YamlNode {
    const node: MappingNode = { kind: 'mapping', tag: tag ?? `${CORE}map`, start, value: [] };
    this.inside(anchor, node, () => fill(node));
    return node;
  }
  private inside(anchor: string | undefined, node: YamlNode, fill: () => void): void {
    this.remember(anchor, node);
    if (++this.depth > DEEPEST)
      this.refuse('ComposerError', `collections are nested deeper than ${DEEPEST} levels`, node.start);
    if (anchor === undefined) fill();
    else {
      this.open.add(node);
      fill();
      this.open.delete(node);
    }
    this.depth--;
  }
  private is(...types: TokenType[]): boolean {
    return types.includes(this.type());
  }

  private blockSequence(node: SequenceNode): void {
    const began = this.token().start;
    this.scanner.skip();
    for (;;) {
      const t = this.token();
      if (t.type === 'block-end') {
        this.scanner.skip();
        return;
      }
      if (t.type !== '-')
        this.refuse(
          'ParserError',
          "did not find expected '-' indicator",
          t.start,
          'while parsing a block collection',
          began,
        );
      this.scanner.skip();
      node.value.push(this.is('-', 'block-end') ? this.empty(t.end) : this.node(true, false));
    }
  }
  private indentless(node: SequenceNode): void {
    for (let t = this.token(); t.type === '-'; t = this.token()) {
      this.scanner.skip();
      node.value.push(this.is('-', 'key', 'value', 'block-end') ? this.empty(t.end) : this.node(true, false));
    }
  }
  private blockMapping(node: MappingNode): void {
    const began = this.token().start;
    this.scanner.skip();
    for (;;) {
      const t = this.token();
      if (t.type === 'block-end') {
        this.scanner.skip();
        return;
      }
      if (t.type !== 'key')
        this.refuse('ParserError', 'did not find expected key', t.start, 'while parsing a block mapping', began);
      this.scanner.skip();
      const key = this.is('key', 'value', 'block-end') ? this.empty(t.end) : this.node(true, true);
      const v = this.token();
      if (v.type !== 'value') {
        node.value.push([key, this.empty(v.start)]);
        continue;
      }
      this.scanner.skip();
      node.value.push([key, this.is('key', 'value', 'block-end') ? this.empty(v.end) : this.node(true, true)]);
    }
  }
  private flowSequence(node: SequenceNode): void {
    const began = this.token().start;
    this.scanner.skip();
    for (let first = true; ; first = false) {
      if (!first && this.type() !== ']')
        this.comma("did not find expected ',' or ']'", 'while parsing a flow sequence', began);
      const t = this.token();
      if (t.type === ']') {
        this.scanner.skip();
        return;
      }
      if (t.type === 'key') node.value.push(this.singlePair(t));
      else node.value.push(this.node(false, false));
    }
  }
  private comma(problem: string, context: string, began: Mark): void {
    if (this.type() !== ',') this.refuse('ParserError', problem, this.token().start, context, began);
    this.scanner.skip();
  }
  private singlePair(key: Token): YamlNode {
    const node: MappingNode = { kind: 'mapping', tag: `${CORE}map`, start: key.start, value: [] };
    this.scanner.skip();
    let k: YamlNode;
    if (this.is('value', ',', ']')) {
      // The reference drops the sign that follows an empty key here, so `[? : a]` means less than it says.
      k = this.empty(this.token().end);
      this.scanner.skip();
    } else k = this.node(false, false);
    let v: YamlNode | undefined;
    if (this.type() === 'value') {
      this.scanner.skip();
      if (!this.is(',', ']')) v = this.node(false, false);
    }
    node.value.push([k, v ?? this.empty(this.token().start)]);
    return node;
  }
  private flowMapping(node: MappingNode): void {
    const began = this.token().start;
    this.scanner.skip();
    for (let first = true; ; first = false) {
      if (!first && this.type() !== '}')
        this.comma("did not find expected ',' or '}'", 'while parsing a flow mapping', began);
      if (this.type() === '}') {
        this.scanner.skip();
        return;
      }
      let key: YamlNode;
      if (this.type() === 'key') {
        this.scanner.skip();
        key = this.is('value', ',', '}') ? this.empty(this.token().start) : this.node(false, false);
      } else {
        key = this.node(false, false);
        node.value.push([key, this.empty(this.token().start)]);
        continue;
      }
      let value: YamlNode | undefined;
      if (this.type() === 'value') {
        this.scanner.skip();
        if (!this.is(',', '}')) value = this.node(false, false);
      }
      node.value.push([key, value ?? this.empty(this.token().start)]);
    }
  }
}
