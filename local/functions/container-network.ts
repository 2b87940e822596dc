import type Docker from 'dockerode';
import { engineAway } from './container-images.ts';
import { supervisorLabel } from './container-options.ts';

/**
 * The network of one supervisor's containers: they reach the world by it, but neither each other nor, at 127.0.0.1,
 * anything of this machine.
 */
export interface ContainerNetwork {
  /** Makes it if it is not there, and gives its id. Throws `engine_unavailable`. */
  require(): Promise<string>;
  /** Stays if a container is still in it. */
  remove(): Promise<void>;
}

export function createContainerNetwork(docker: Docker, marker: string): ContainerNetwork {
  /** The engine takes two networks of one name from two who ask at the same time. */
  let making: Promise<string> | undefined;

  async function find(): Promise<string[]> {
    const filters = { label: [`${supervisorLabel}=${marker}`] };
    return (await docker.listNetworks({ filters })).map(({ Id }) => Id).sort();
  }

  async function make(): Promise<string> {
    const [known] = await find();
    if (known !== undefined) return known;
    const created = await docker.createNetwork({
      Name: `towline-${marker}`,
      Driver: 'bridge',
      Options: { 'com.docker.network.bridge.enable_icc': 'false' },
      Labels: { [supervisorLabel]: marker },
    });
    return created.id;
  }

  return {
    require() {
      making ??= make()
        .catch((error: unknown) => {
          throw engineAway(error);
        })
        .finally(() => {
          making = undefined;
        });
      return making;
    },
    async remove() {
      for (const id of await find().catch(() => [])) {
        await docker
          .getNetwork(id)
          .remove()
          .catch(() => undefined);
      }
    },
  };
}
