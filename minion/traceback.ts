export { pythonName, traceback } from '../sls/traceback.ts';
