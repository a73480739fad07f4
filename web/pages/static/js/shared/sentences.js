// Sentences for people to say while they are recorded.
import { t } from "./texts.js";

const COUNT = 4;

/** Pick one of the sentences at random. */
export const pickSentence = () =>
  t(`sentence.${1 + Math.floor(Math.random() * COUNT)}`);
