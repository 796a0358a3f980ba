/** The functions of the language that an author is offered while typing. */
export interface Offer {
  name: string;
  about: string;
  apply: string;
}

const offer = (name: string, about: string, apply = name): Offer => ({ name, about, apply });

export const FUNCTIONS: Offer[] = [
  offer('count', 'how often an event happened', 'count("", 30d)'),
  offer('distinct', 'how many different values', 'distinct("", property, 30d)'),
  offer('sum', 'the sum of a property', 'sum("", property, 30d)'),
  offer('since', 'time since', 'since(last(""))'),
  offer('until', 'time until', 'until(renewal_date)'),
  offer('first', 'the first time', 'first("")'),
  offer('last', 'the last time', 'last("")'),
  offer('never', 'did not happen yet', 'never("")'),
  offer('drop', 'how much less than the time before', 'drop(count("", 7d))'),
  offer('active_people', 'people of the account who did anything', 'active_people(30d)'),
  offer('in', 'is in a segment', 'in("")'),
  offer('health', 'the score, 0 to 100'),
  offer('health.zone', 'healthy, watch or at_risk'),
  offer('account.', 'of the account of this person'),
  offer('and', ''),
  offer('or', ''),
  offer('not', ''),
];
