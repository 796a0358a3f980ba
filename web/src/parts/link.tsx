/** Links within the console. */
import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

interface Target {
  to: string;
  search?: Record<string, string>;
  children: ReactNode;
}

const target = ({ to, search }: Target) => ({ to: to as never, search: search as never });

export function PageLink({ to, search, children, ...rest }: Target & AnchorProps) {
  return (
    <Anchor {...rest} renderRoot={(props) => <Link {...props} {...target({ to, search, children })} />}>
      {children}
    </Anchor>
  );
}

export function PageButton({ to, search, children, ...rest }: Target & ButtonProps) {
  return (
    <Button {...rest} renderRoot={(props) => <Link {...props} {...target({ to, search, children })} />}>
      {children}
    </Button>
  );
}

/** An account's or person's page, by id. */
export const subjectPath = (id: string) => (id.startsWith('acc_') ? `/accounts/${id}` : `/people/${id}`);
