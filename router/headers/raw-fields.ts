/** A message's fields as they came: names and values in turn, with order, case and repetitions. */
export type RawFields = readonly string[];

/** A field's value; of a repeated one, all of them in a list. `name` in lower case. */
export function fieldValue(fields: RawFields, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const field = fields[i];
    if (field?.length !== name.length || field.toLowerCase() !== name) continue;
    value = value === undefined ? fields[i + 1] : `${value},${fields[i + 1]}`;
  }
  return value;
}
