/**
 * What git has acknowledged survives a power cut: objects and refs are on the disk before git says so.
 * `committed` means objects only in some versions. Versions before 2.36 ignore both settings.
 */
export const durable = { 'core.fsync': 'committed,reference', 'core.fsyncMethod': 'batch' };
