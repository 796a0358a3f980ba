import { useQuery } from '@tanstack/react-query';

import { whoami, type User } from '../api/session';

/** Who is signed in, behind the shell. */
export function useUser(): User {
  const { data } = useQuery(whoami);
  if (!data) throw new Error('nobody is signed in');
  return data;
}

/** Whether the user may do what needs this scope. */
export const useMay = (scope: string) => useUser().scopes.includes(scope);
