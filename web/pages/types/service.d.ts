// JSON bodies of the service, as Swagger describes them: the fields that the pages read.

declare namespace Api {
  type Modality = "fused" | "face" | "voice";
  /** Modalities that templates are made from. */
  type TemplateModality = "face" | "voice";

  interface Hint {
    code: string;
    text: string;
  }

  /**
   * `details` of an error: hints on a clip, the person whom it matches, or what is wrong
   * with the key.
   */
  interface ErrorDetails {
    hints?: Hint[];
    person_id?: string;
    name?: string;
    key?: string;
    role?: string;
    needed?: string[];
  }

  interface ErrorBody {
    error?: { code?: string; message?: string; hint?: string; details?: ErrorDetails };
  }

  interface HealthReason {
    code: string;
    text: string;
    details: {
      days?: number;
      shown?: string;
      made_at?: string | null;
      megabytes?: number;
      seconds?: number;
    };
  }

  /** `version` is missing and `role` null when the service needs another key. */
  interface Health {
    status: string;
    key: "good" | "not_needed" | "missing" | "unknown" | "revoked";
    role: string | null;
    reasons?: HealthReason[];
    version?: string;
    people?: number;
    encoders?: Record<Modality, string>;
    speech_to_text?: boolean;
    last_backup?: string | null;
  }

  /** Words, while they are written. */
  interface TranscriptDelta {
    type: "transcript.text.delta";
    delta: string;
    start: number;
    end: number;
  }

  /** A line with who says it, once that is known. */
  interface TranscriptSegment {
    type: "transcript.text.segment";
    id: string;
    start: number;
    end: number;
    text: string;
    speaker: string;
    person_id: string | null;
    outcome: string;
    probability: number | null;
    decided_by: string | null;
    overlap: boolean;
  }

  interface TranscriptDone {
    type: "transcript.text.done";
    text: string;
  }

  /** A transcript that is kept, as lists show it. */
  interface KeptSummary {
    transcript_id: string;
    created_at: string;
    title: string;
    language: string;
    duration: number;
  }

  interface KeptTranscripts {
    transcripts: KeptSummary[];
    total: number;
  }

  interface KeptTranscript extends KeptSummary {
    segments: Omit<TranscriptSegment, "type" | "id" | "probability" | "overlap">[];
  }

  type TranscriptEvent = TranscriptDelta | TranscriptSegment | TranscriptDone;

  interface PersonRef {
    person_id: string;
    name: string;
  }

  interface Match extends PersonRef {
    score: number;
    probability: number;
  }

  interface Decision {
    outcome: "accepted" | "unknown" | "no_probe" | "conflict" | "rejected";
    match: Match | null;
    threshold: number | null;
    margin: number | null;
    decided_by: Modality | null;
  }

  /** A check for liveness. The figures are null for keys of the role kiosk. */
  interface Judgement {
    outcome: "pass" | "fail" | "not_checked";
    score: number | null;
    threshold: number | null;
  }

  interface Liveness {
    mouth_motion: Judgement | null;
    audio_visual_sync: Judgement | null;
    screen_or_print: Judgement | null;
    challenge: Judgement | null;
  }

  /** Digits to say, in a clip that carries the id. */
  interface Challenge {
    challenge_id: string;
    digits: string;
    expires_s: number;
  }

  interface OtherPerson {
    box_xyxy: number[];
    outcome: string | null;
    match: Match | null;
  }

  interface Identification {
    fused: Decision;
    face: Decision;
    voice: Decision;
    liveness: Liveness | null;
    others: OtherPerson[];
    duplicates: string[];
    gallery: { people: number };
    hints: Hint[];
    request_id: string;
  }

  interface Verdict {
    outcome: "same" | "different" | "no_probe" | "conflict" | "rejected";
    score: number | null;
    threshold: number | null;
    probability: number | null;
    decided_by: Modality | null;
  }

  /** `faces`: WebP in base64. `speech_s`: start and end of each stretch in seconds. */
  interface ComparedSide {
    faces: string[];
    faces_used: number;
    speech_s: [number, number][];
  }

  interface Verification {
    fused: Verdict;
    face: Verdict;
    voice: Verdict;
    fmr: number;
    liveness: Liveness | null;
    compared: { media: ComparedSide | null; reference: ComparedSide | null };
    hints: Hint[];
  }

  interface NewPerson {
    name: string;
    person_id?: string;
    consent?: string;
    unique_name?: boolean;
  }

  interface Person extends PersonRef {
    consent: string;
    created_at: string;
    expires_at: string | null;
    last_seen_at: string | null;
    templates: Record<TemplateModality, number>;
    quality: Record<TemplateModality, number | null>;
    has_picture: boolean;
  }

  interface SuspectCheck {
    checked_at: string | null;
    people: number;
    total: number;
    is_checking: boolean;
    remaining_s: number | null;
  }

  interface People {
    people: Person[];
    total: number;
    check: SuspectCheck | null;
  }

  interface Template {
    template_id: string;
    modality: TemplateModality;
    quality: number;
    created_at: string;
  }

  interface Enrolment {
    person: Person;
    templates: Template[];
    hints: Hint[];
  }

  interface Place {
    x: number;
    y: number;
  }

  /** `shown`: share of the variance along each axis, null for t-SNE. */
  interface GalleryMap {
    people: number;
    total: number;
    shown: [number, number] | null;
    probe: Place | null;
    points: (PersonRef & Place)[];
  }

  interface DuplicatePair {
    people: [PersonRef, PersonRef];
    probability: number;
  }

  interface Duplicates {
    people: number;
    total: number;
    pairs: DuplicatePair[];
    check: SuspectCheck;
  }

  /** `scores[row][column]`: null on the diagonal of a person with one template. */
  interface Similarity {
    total: number;
    threshold: number;
    people: PersonRef[];
    scores: (number | null)[][];
  }
}
