import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { useNow } from '../api/shared';
import { ago, shown } from '../parts/format';
import { PageLink } from '../parts/link';
import { Empty } from '../parts/page';
import { DataTable } from '../parts/table';
import { personName, traits } from '../parts/traits';
import { t } from '../texts';

type Person = Schemas['PersonRow'];

export function PeopleOf({ account }: { account: string }) {
  const now = useNow();
  const list = useList<Person>(['people', { account }], (cursor) => read(api.GET('/api/v1/people', { params: { query: { account, cursor, limit: 100 } } })));
  return (
    <DataTable
      label={t.account.people}
      list={list}
      rowKey={(row) => row.id}
      empty={<Empty title={t.account.noPeople} />}
      columns={[
        { key: 'name', title: t.people.name, cell: (row) => <PageLink to={`/people/${row.id}`} fw={600}>{personName(row)}</PageLink> },
        { key: 'email', title: t.people.email, cell: (row) => row.emails[0] ?? t.none },
        { key: 'role', title: t.people.role, cell: (row) => shown(traits(row).all.role) },
        { key: 'seen', title: t.people.seen, cell: (row) => ago(row.seen_at, now) },
      ]}
    />
  );
}
