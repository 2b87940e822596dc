export { type ApplyLoop, createApplyLoop } from './apply-loop.ts';
