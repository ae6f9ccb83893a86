/** All filters and tests of the dialect in their tables; Salt's replace Jinja's of the same name. */
import { FilterDef, type FilterRow, TestDef } from './engine.ts';
import { GUARDED_FILTERS, SALT_DATA_FILTERS } from './filters-data.ts';
import { SALT_HOST_FILTERS } from './filters-host.ts';
import { JINJA_FILTERS } from './filters-jinja.ts';
import { SALT_NETWORK_FILTERS } from './filters-network.ts';
import { SEQUENCE_FILTERS } from './filters-sequence.ts';
import { SALT_TEXT_FILTERS } from './filters-text.ts';
import { SERIALIZER_FILTERS } from './serializers.ts';
import { TESTS } from './tests.ts';

let filters: Map<string, FilterDef> | undefined;
let tests: Map<string, TestDef> | undefined;

/** The shared table of filters; never written to after it is made. */
export function dialectFilters(): Map<string, FilterDef> {
  if (filters) return filters;
  const made = new Map<string, FilterDef>();
  const addAll = (rows: readonly FilterRow[], guarded = false): void => {
    for (const [name, sig, run] of rows) made.set(name, new FilterDef(name, sig, run, guarded));
  };
  addAll(JINJA_FILTERS);
  addAll(SEQUENCE_FILTERS);
  addAll(SALT_TEXT_FILTERS);
  addAll(SALT_DATA_FILTERS);
  addAll(SALT_NETWORK_FILTERS);
  addAll(SALT_HOST_FILTERS);
  addAll(GUARDED_FILTERS, true);
  addAll(SERIALIZER_FILTERS, true);
  filters = made;
  return made;
}
/** The shared table of tests. */
export function dialectTests(): Map<string, TestDef> {
  tests ??= new Map(TESTS.map(([name, sig, run]) => [name, new TestDef(name, sig, run)]));
  return tests;
}
