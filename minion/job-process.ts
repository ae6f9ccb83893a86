// The program of a job process, started by the daemon (and by salt-call) when a job needs one.
import { serveDaemon } from './job-runner.ts';

void serveDaemon();
