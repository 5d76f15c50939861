/** What the renderer takes from `dcmjs` when it starts, without the parser. */

const quiet = () => undefined;
const logger = {
  setLevel: quiet,
  getLevel: () => 5,
  trace: quiet,
  debug: quiet,
  info: quiet,
  log: quiet,
  warn: quiet,
  error: quiet,
};

export const log = { ...logger, getLogger: () => ({ ...logger }) };
export const constants = {};
export const async = { AsyncDicomReader: class {} };

/** Every name in capitals is a keyword, under a private tag of its own: the renderer checks its rules for DICOM against them. */
const tags = new Map<string, { tag: string; vr: string; vm: string; name: string }>();
const entry = (name: string) => {
  if (!/^[A-Z]/.test(name)) return undefined;
  let known = tags.get(name);
  if (!known) {
    known = { tag: `(0009,${tags.size.toString(16).toUpperCase().padStart(4, "0")})`, vr: "LO", vm: "1", name };
    tags.set(name, known);
  }
  return known;
};
const nameMap = new Proxy(
  {},
  {
    get: (_, name) => entry(String(name)),
    getOwnPropertyDescriptor: (_, name) => {
      const value = entry(String(name));
      return value && { configurable: true, enumerable: true, value };
    },
  },
);
export const data = { DicomMetaDictionary: { dictionary: {}, nameMap } };
export const utilities = { DicomMetadataListener: class {} };
export default { log, constants, async, data, utilities };
