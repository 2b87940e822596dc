/** What an installation's functions are: the kind of object that their manifests hold. */
export const targets = ['openfaas', 'knative', 'kubernetes'] as const;
export type Target = (typeof targets)[number];
