import { useSubjectName } from '../api/shared';
import { PageLink, subjectPath } from './link';

/** A link to an account or a person, by name. */
export function Subject({ id }: { id: string }) {
  const name = useSubjectName(id);
  return <PageLink to={subjectPath(id)}>{name}</PageLink>;
}
