/** What filters, tests and globals may use of the running engine. */
import type { Log } from '../../../bus/log.ts';
import type { Markup, Py, PyDict, Undefined } from '../../values.ts';
import { places, type Spec, specOf } from './signature.ts';

/** The engine as seen by filters, tests and globals. */
export interface Engine {
  readonly strict: boolean;
  /** Whether printed text is escaped just now. */
  ae: boolean;
  readonly log: Log;
  undef(name: Py, owner?: Py, hint?: string): Undefined;
  attr(v: Py, name: string): Py;
  item(v: Py, key: Py): Py;
  call(f: Py, args: Py[], kwargs: PyDict | null): Py;
  findFilter(name: string): FilterDef | undefined;
  findTest(name: string): TestDef | undefined;
  filter(def: FilterDef, args: Py[], kwargs: PyDict | null): Py;
  test(def: TestDef, args: Py[], kwargs: PyDict | null): boolean;
  /** Counts work against the limits of time and memory. */
  step(weight?: number): void;
  /** An execution function by name, if the template has `salt` with it. */
  salt(name: string): Py | undefined;
  /** An option of the minion or master (`opts`), if given. */
  opt(name: string): Py | undefined;
}

/** A filter: Python signature and implementation. The first parameter may be `environment`, `eval_ctx` or `context`: it is not passed. */
export class FilterDef {
  private parsed: Spec | undefined;
  constructor(
    readonly name: string,
    private readonly sig: string,
    private readonly run: (args: Py[], engine: Engine) => Py,
    /** Answers one joined undefined when the value holds strict undefineds, as Salt's data filters do. */
    readonly guarded = false,
  ) {}
  apply(args: Py[], kwargs: PyDict | null, engine: Engine): Py {
    this.parsed ??= specOf(this.sig);
    return this.run(places(this.parsed, args, kwargs), engine);
  }
}

/** A test: as a filter, answering whether. */
export class TestDef {
  private parsed: Spec | undefined;
  constructor(
    readonly name: string,
    private readonly sig: string,
    private readonly run: (args: Py[], engine: Engine) => boolean,
  ) {}
  apply(args: Py[], kwargs: PyDict | null, engine: Engine): boolean {
    this.parsed ??= specOf(this.sig);
    return this.run(places(this.parsed, args, kwargs), engine);
  }
}

/** Rows of a table of filters: name, signature, implementation. */
export type FilterRow = readonly [string, string, (a: Py[], e: Engine) => Py];
/** Rows of a table of tests. */
export type TestRow = readonly [string, string, (a: Py[], e: Engine) => boolean];

/** Text as the filter's input was: Markup stays Markup. */
export type Text = string | Markup;
