import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FieldsOf } from '../kubernetes/cluster-api.ts';
import { handEditOf } from './field-managers.ts';

/** As the API server writes them. */
const flux: FieldsOf = {
  manager: 'kustomize-controller',
  operation: 'Apply',
  fieldsV1: { 'f:metadata': { 'f:labels': { 'f:towline.dev/function': {} } }, 'f:spec': { 'f:name': {} } },
};
const by = (manager: string, fieldsV1: Record<string, unknown>, subresource?: string): FieldsOf => ({
  ...{ manager, operation: 'Update', fieldsV1 },
  ...(subresource === undefined ? {} : { subresource }),
});
const edit = (...managedFields: FieldsOf[]) =>
  handEditOf({ metadata: { name: 'alice-hello', managedFields } });
const container = { 'k:{"name":"function"}': { '.': {}, 'f:image': {}, 'f:env': {} } };

describe('a change by hand', () => {
  it('is told with its fields and who made it, on each kind', () => {
    assert.equal(
      edit(flux, by('kubectl-edit', { 'f:spec': { 'f:image': {} } })),
      'differs from git: image changed in the cluster by kubectl-edit',
    );
    const template = { 'f:template': { 'f:spec': { 'f:containers': container } } };
    assert.equal(
      edit(flux, by('kubectl-set', { 'f:spec': template })),
      'differs from git: image, env changed in the cluster by kubectl-set',
    );
  });

  it('is not what a controller, an autoscaler or a restart does', () => {
    const annotations = { 'f:kubectl.kubernetes.io/restartedAt': {} };
    const others = [
      by('kube-controller-manager', { 'f:status': { 'f:replicas': {} } }, 'status'),
      by('openfaas-operator', { 'f:metadata': { 'f:annotations': { 'f:seen': {} } } }),
      by('kubectl', { 'f:spec': { 'f:replicas': {} } }, 'scale'),
      by('keda', { 'f:spec': { 'f:replicas': {} } }),
      by('kubectl-rollout', {
        'f:spec': { 'f:template': { 'f:metadata': { 'f:annotations': annotations } } },
      }),
    ];
    assert.equal(edit(flux, ...others), undefined);
  });

  it('is not told of what no engine applies: then all of it is somebody’s', () => {
    assert.equal(edit(by('kubectl-create', { 'f:spec': { 'f:image': {} } })), undefined);
    assert.equal(edit(), undefined);
  });
});
