/** What a registry asks for with a 401. Source: RFC 9110 §11 and the distribution project's token specification. */
export type RegistryChallenge =
  | { type: 'basic' }
  | { type: 'bearer'; realm: string; service: string | undefined };

const scheme = /(?:^|,\s*)(bearer|basic)(?:\s+|$)/gi;
const parameter = /([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/gi;
const maxLength = 4_000;

function parametersOf(text: string): Map<string, string> {
  const found = [...text.matchAll(parameter)];
  return new Map(
    found.map(([, name = '', quoted, plain]) => [
      name.toLowerCase(),
      quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '',
    ]),
  );
}

/** The challenge that can be met, tokens first; `undefined` if there is none. */
export function parseChallenge(header: string | string[] | undefined): RegistryChallenge | undefined {
  const text = [header ?? []].flat().join(', ').slice(0, maxLength);
  const starts = [...text.matchAll(scheme)];
  const challenges = starts.map((start, index) => ({
    name: start[1]?.toLowerCase(),
    parameters: parametersOf(text.slice(start.index + start[0].length, starts[index + 1]?.index)),
  }));
  for (const { name, parameters } of challenges) {
    const realm = parameters.get('realm');
    if (name === 'bearer' && realm) return { type: 'bearer', realm, service: parameters.get('service') };
  }
  return challenges.some(({ name }) => name === 'basic') ? { type: 'basic' } : undefined;
}
