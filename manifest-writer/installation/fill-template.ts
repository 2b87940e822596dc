import { isScalar, parseAllDocuments, visit } from 'yaml';
import { TowlineError } from '../../core/errors.ts';

type Plain = string | number;
export type TemplateValue = Plain | readonly (Plain | object)[];
export type TemplateValues = Readonly<Record<string, TemplateValue>>;

const token = /\$\{([A-Za-z]+)\}/g;
const wholeToken = /^\$\{([A-Za-z]+)\}$/;
/** Some of what reads Kubernetes' YAML reads 1.1: an owner "no" has to be quoted. */
const dialect = { version: '1.2', compat: 'yaml-1.1' } as const;

/**
 * YAML text with its `${name}` replaced. Values go into the parsed text, so none can become anything but the value of
 * one field. A field that is nothing but a name becomes what the value is, a list or a number too.
 */
export function fillTemplate(text: string, values: TemplateValues, place: string): string {
  if (!text.includes('${')) return text;
  const wrong = (problem: string) => new TowlineError('internal', `${place}: ${problem}`);
  const named = (name: string): TemplateValue => {
    const value = values[name];
    if (value === undefined) throw wrong(`there is no value "${name}"`);
    return value;
  };
  const namedPlain = (name: string): Plain => {
    const value = named(name);
    if (typeof value === 'object') throw wrong(`"${name}" has to be a field's whole value`);
    return value;
  };
  const filled = [...parseAllDocuments(text, dialect)].map((document) => {
    if (document.errors[0]) throw wrong(document.errors[0].message);
    visit(document, {
      Pair(_, pair) {
        const source = isScalar(pair.value) ? pair.value.value : undefined;
        const name = typeof source === 'string' ? wholeToken.exec(source)?.[1] : undefined;
        const value = name === undefined ? undefined : named(name);
        if (typeof value !== 'object') return undefined;
        pair.value = document.createNode(value);
        return visit.SKIP;
      },
      Scalar(key, node) {
        if (typeof node.value !== 'string') return;
        const name = wholeToken.exec(node.value)?.[1];
        const value =
          name === undefined
            ? node.value.replace(token, (_, each: string) => String(namedPlain(each)))
            : namedPlain(name);
        if (value === node.value) return;
        if (key === 'key') throw wrong('a value cannot become a key');
        node.value = value;
        if (!node.type?.startsWith('BLOCK')) node.type = 'PLAIN';
      },
    });
    return document.toString({ lineWidth: 0, flowCollectionPadding: false });
  });
  return filled.join('');
}
