/** For trying out how a failing wheel function is reported. */
import { PyDict } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { namedError } from '../named-error.ts';
import type { WheelModule } from './contract.ts';

export default {
  doc: 'Fails on request.',
  functions: {
    error: fn(
      "error(name=None, message='')",
      'Raises an exception of this name with this message; without a name answers an empty map.\n\nCLI Example:\n\n    salt-call saltutil.wheel error.error',
      (a) => {
        if (a['name'] !== null) throw namedError(String(a['name']), String(a['message']));
        return new PyDict();
      },
    ),
  },
} satisfies WheelModule;
