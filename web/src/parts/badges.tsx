/** Small words with a colour; the colour never says more than the word. */
import { Badge } from '@mantine/core';

import { t } from '../texts';
import { words } from './format';

const COLOURS: Record<string, string> = {
  healthy: 'teal', watch: 'yellow', at_risk: 'red',
  sent: 'teal', delivered: 'teal', opened: 'teal', clicked: 'teal', completed: 'teal', entered: 'teal', goal: 'teal', reached: 'teal', accepted: 'teal', active: 'teal', enabled: 'teal', running: 'teal',
  waiting: 'blue', pending: 'blue', sending: 'blue', scheduled: 'blue', later: 'blue',
  held_out: 'grape', capped: 'orange', quiet_hours: 'orange', paused: 'orange', unknown: 'orange', warning: 'orange', disabled: 'gray',
  suppressed: 'red', bounced: 'red', dead: 'red', failed: 'red', rejected: 'red', refused: 'red', critical: 'red', cancelled: 'gray', exited: 'gray', skipped: 'gray', info: 'blue',
};

export function Word({ word }: { word: string }) {
  return (
    <Badge variant="dot" color={COLOURS[word] ?? 'gray'} tt="none" fw={600}>
      {words(word)}
    </Badge>
  );
}

export function Zone({ zone, score }: { zone?: string | null; score?: number | null }) {
  const name = zone ?? 'none';
  return (
    <Badge variant="dot" color={COLOURS[name] ?? 'gray'} tt="none" fw={600}>
      {score === null || score === undefined ? t.health[name] : `${Math.round(score)} · ${t.health[name] ?? name}`}
    </Badge>
  );
}
