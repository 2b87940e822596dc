export { type ApplyLoop, type ApplyLoopConfig, type ApplyLoopDeps, createApplyLoop } from './apply-loop.ts';
