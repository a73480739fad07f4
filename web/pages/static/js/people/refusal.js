// Why a clip was refused, in words.
import { duplicateOf } from "../shared/errors.js";
import { t } from "../shared/texts.js";

/** @import { ApiError } from "../shared/errors.js" */

/**
 * Name whom the clip matches, if that is the reason.
 * @param {ApiError} error
 */
export function describeRefusal(error) {
  const duplicate = duplicateOf(error);
  if (!duplicate) return error.message;
  return t("enrol.duplicate_text", { name: duplicate.name });
}
