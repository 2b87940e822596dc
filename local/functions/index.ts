export { type SupervisorOptions, supervisorDefaults } from './config.ts';
export type { ContainerEngine } from './container-instance.ts';
export { type ContainerLimits, containerLimits } from './container-options.ts';
export { type ContainerStarterConfig, containerStarter } from './container-starter.ts';
export type { DesiredFunction } from './desired-function.ts';
export { livenessAfter } from './liveness.ts';
export type { Progress } from './managed-function.ts';
export { processStarter } from './process-starter.ts';
export { createSupervisor, type FunctionName, type Supervisor, type SupervisorDeps } from './supervisor.ts';
