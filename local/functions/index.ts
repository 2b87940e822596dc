export { type SupervisorOptions, supervisorDefaults } from './config.ts';
export type { DesiredFunction } from './desired-function.ts';
export type { Progress } from './managed-function.ts';
export { createSupervisor, type FunctionName, type Supervisor, type SupervisorDeps } from './supervisor.ts';
