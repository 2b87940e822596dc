export { createApplyLoop } from './apply-loop.ts';
