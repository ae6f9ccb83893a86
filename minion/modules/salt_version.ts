/** Releases of Salt by their code names, which are those of the chemical elements. */
import { SaltError } from '../../bus/errors.ts';
import type { Py } from '../../bus/values.ts';
import { SALT_VERSION } from '../../bus/version.ts';
import { fn } from '../../sls/signature.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('salt_version');

/** Releases named by year and month. */
const DATED: Readonly<Record<string, string>> = {
  hydrogen: '2014.1',
  helium: '2014.7',
  lithium: '2015.5',
  beryllium: '2015.8',
  boron: '2016.3',
  carbon: '2016.11',
  nitrogen: '2017.7',
  oxygen: '2018.3',
  fluorine: '2019.2',
};
/** Releases counted from 3000, in the order of the periodic table. */
const COUNTED =
  `neon sodium magnesium aluminium silicon phosphorus sulfur chlorine argon potassium calcium scandium titanium vanadium chromium
  manganese iron cobalt nickel copper zinc gallium germanium arsenic selenium bromine krypton rubidium strontium yttrium zirconium
  niobium molybdenum technetium ruthenium rhodium palladium silver cadmium indium tin antimony tellurium iodine xenon cesium barium
  lanthanum cerium praseodymium neodymium promethium samarium europium gadolinium terbium dysprosium holmium erbium thulium
  ytterbium lutetium hafnium tantalum tungsten rhenium osmium iridium platinum gold mercury thallium lead bismuth polonium astatine
  radon francium radium actinium thorium protactinium uranium neptunium plutonium americium curium berkelium californium einsteinium
  fermium mendelevium nobelium lawrencium rutherfordium dubnium seaborgium bohrium hassium meitnerium darmstadtium roentgenium
  copernicium nihonium flerovium moscovium livermorium tennessine oganesson`.split(/\s+/);
const FIRST = 3000;

function release(name: Py, ctx: ModuleCtx): string | null {
  if (typeof name !== 'string') throw new SaltError('CommandExecutionError', "'name' argument must be a string");
  const wanted = name.toLowerCase();
  const at = COUNTED.indexOf(wanted);
  if (at >= 0) return String(FIRST + at);
  if (Object.hasOwn(DATED, wanted)) return DATED[wanted] as string;
  ctx.log.info(`Version ${wanted} not found.`);
  return null;
}

/** This release against a named one: below, at or above zero; undefined for a name that is none. */
function compared(name: Py, ctx: ModuleCtx): number | undefined {
  const other = release(name, ctx);
  if (other === null) return undefined;
  return Math.trunc(Number(SALT_VERSION)) - Math.trunc(Number(other));
}

export default {
  doc: 'Compares the release of the minion with releases by code name.',
  functions: {
    get_release_number: fn(
      'get_release_number(name)',
      doc('Number of a release by its code name; nothing for an unknown name.', 'get_release_number Argon'),
      (a, ctx) => release(a['name'] as Py, ctx),
    ),
    equal: fn(
      'equal(name)',
      doc("Whether the minion's release is the named one.", 'equal Argon'),
      (a, ctx) => compared(a['name'] as Py, ctx) === 0,
    ),
    greater_than: fn(
      'greater_than(name)',
      doc("Whether the minion's release is newer than the named one.", 'greater_than Argon'),
      (a, ctx) => (compared(a['name'] as Py, ctx) ?? 0) > 0,
    ),
    less_than: fn(
      'less_than(name)',
      doc("Whether the minion's release is older than the named one.", 'less_than Argon'),
      (a, ctx) => (compared(a['name'] as Py, ctx) ?? 0) < 0,
    ),
  },
} satisfies ExecutionModule;
