// JSON bodies that the pages of the operator's console read.

declare namespace Api {
  interface Job {
    job_id: string;
    action: string;
    state: string;
    created_at: string;
    files: number;
    finished: number;
    counts: Record<string, number>;
  }

  interface JobItem {
    position: number;
    name: string;
    person_id: string | null;
    state: string;
    result: { fused?: Partial<Decision> } | null;
    error: { code: string; message: string; hint: string } | null;
  }

  interface JobWithItems extends Job {
    items: JobItem[];
  }

  interface Refusal {
    code: string;
    message: string;
    hint: string;
  }

  interface PlannedPerson {
    person_id: string;
    name: string;
    row: number | null;
    exists: boolean;
    is_enrolled: boolean;
    error: Refusal | null;
    files: { name: string; error: Refusal | null }[];
  }

  interface EnrolmentPlan {
    people: number;
    enrolled_people: number;
    refused_people: number;
    files: number;
    unused: number;
    refused: Record<string, number>;
    encoding: string | null;
    total: number;
    list: PlannedPerson[];
  }

  interface Event {
    event_id: number;
    at: string;
    actor: string;
    action: string;
    person_key: number | null;
    outcome: string;
    detail: Record<string, string | number | boolean>;
  }

  interface Audit {
    events: Event[];
    next_before: number | null;
  }

  interface AuditVerified {
    whole: boolean;
    events: number;
    head: string;
    problems: { event_id: number; text: string }[];
  }

  interface Visit {
    number: number;
    visit_id: string;
    at: string;
    source: string;
    outcome: string;
    person_id: string | null;
    name: string | null;
    by: string | null;
    probability: number | null;
    actor: string;
    label: string | null;
    stranger_id: string | null;
    correction: { at: string; person_id: string | null; name: string | null } | null;
  }

  interface Visits {
    visits: Visit[];
    days: number;
    next_before: number | null;
  }

  interface Stranger {
    stranger_id: string;
    first_at: string;
    last_at: string;
    times: number;
    hidden: boolean;
    clips: { face: number; voice: number };
    has_picture: boolean;
  }

  interface Strangers {
    strangers: Stranger[];
    days: number;
    total: number;
  }

  interface Group {
    group_id: string;
    name: string;
    watched: boolean;
    retention_days: number | null;
    people: number;
  }

  interface GroupOfPeople extends Group {
    members: string[];
    names: string[];
  }

  interface Sighting {
    event_id: number;
    event: string;
    at: string;
    source: string;
    group_id: string | null;
    name: string | null;
  }

  interface Delivery {
    receiver: string;
    state: "waiting" | "given_up";
    attempts: number;
    next_at: string | null;
    reason: string;
    event: Sighting;
  }

  interface ApiKey {
    key_id: string;
    role: string;
    label: string;
    created_at: string;
    revoked_at: string | null;
  }

  interface Backup {
    name: string;
    made_at: string;
    people: number;
    templates: number;
    bytes: number;
    is_encrypted: boolean;
  }

  interface Backups {
    is_on: boolean;
    keep: number;
    is_running: boolean;
    failed: string | null;
    backups: Backup[];
  }

  interface Setting {
    name: string;
    subject: string;
    value: string | number | boolean | null;
    source: string;
    is_secret: boolean;
    about: string;
  }
}
