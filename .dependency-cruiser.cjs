const services = '^(builder|manifest-writer|router|auth|ui)/';
const notProduct =
  '(\\.test|\\.contract|\\.cluster)\\.tsx?$|^(test|bench|docs)/|(^|/)(testbed|[a-z-]*-fixture|testing/[a-z-]*)\\.ts$';

/** The direction of imports of DESIGN.md §1. There is no baseline: a violation is mended, not recorded. */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Move what both sides need into a third module.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'core-is-pure',
      comment: 'core/ is the vocabulary: no I/O, and nothing from npm but zod.',
      severity: 'error',
      from: { path: '^core/', pathNot: notProduct },
      to: { pathNot: '^core/|^node_modules/zod/' },
    },
    {
      name: 'runtime-knows-core-only',
      comment: 'runtime/ serves every service, so it may know none of them.',
      severity: 'error',
      from: { path: '^runtime/', pathNot: notProduct },
      to: { path: `${services}|^(local|test|bench)/` },
    },
    {
      name: 'services-never-meet',
      comment: 'Services meet through a contract in core/; local/ hands one to the other.',
      severity: 'error',
      from: { path: '^(builder|manifest-writer|router|auth|ui)/', pathNot: notProduct },
      to: { path: '^(builder|manifest-writer|router|auth|ui|local)/', pathNot: '^$1/' },
    },
    {
      name: 'web-knows-contracts-only',
      comment: 'The dashboard imports types and contracts from core/, nothing that runs on a server.',
      severity: 'error',
      from: { path: '^ui/web/', pathNot: `${notProduct}|vite\\.config` },
      to: { path: '^(runtime|local|ui/server|ui/cli)/' },
    },
    {
      name: 'local-uses-public-index',
      comment: "Export it from the service's index.ts.",
      severity: 'error',
      from: { path: '^local/', pathNot: notProduct },
      to: {
        path: '^(builder|manifest-writer|router|auth|ui)/',
        pathNot: '^(builder|manifest-writer|router|auth|ui/server)/index\\.ts$',
      },
    },
    {
      name: 'product-never-imports-tests',
      comment: 'Tests import the product, not the other way round.',
      severity: 'error',
      from: { pathNot: notProduct },
      to: { path: notProduct },
    },
    {
      name: 'no-dev-dependencies',
      comment: 'What runs in production is a dependency, not a devDependency.',
      severity: 'error',
      from: {
        path: '^(core|runtime|builder|manifest-writer|router|auth|ui|local)/',
        pathNot: `${notProduct}|^ui/web/`,
      },
      to: { dependencyTypes: ['npm-dev'] },
    },
    {
      name: 'resolvable',
      comment: 'The module cannot be found.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(templates|ui/web/dist|\\.data|local/samples|gitops-repo-template)/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
