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
export const data = { DicomMetaDictionary: { dictionary: {}, nameMap: {} } };
export const utilities = { DicomMetadataListener: class {} };
export default { log, constants, async, data, utilities };
