// What follows an answer. It is loaded while the first clip is on its way, so that the
// page is there sooner.
export { showAnswer } from "./answer-view.js";
export { addToDuplicate, submitEnrolment } from "./enrolment.js";
export {
  showDuplicate,
  showEnrolForm,
  showEnrolled,
  showNamesake,
} from "./enrolment-view.js";
