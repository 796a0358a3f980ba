import { expect, test } from 'vitest';

import { flowOf } from './flow';

const PROGRAM = `program: save
enter: { event: signed_up }
steps:
  - id: hello
    send: email
    template: welcome
  - wait:
      event: feature_used
      at_most: 7d
      then:
        - send: email
          template: well-done
      else:
        - exit: true
  - task: call
    title: Call them
`;

test('steps stand below one another, arms side by side, and open ends go on', () => {
  const flow = flowOf(PROGRAM);
  expect(flow?.nodes.map((node) => node.id)).toEqual(['enter', 'hello', 'wait-1', 'send-2', 'exit-1', 'task-1']);
  const edges = flow?.edges.map((edge) => `${edge.from}>${edge.to}${edge.label ? ` ${edge.label}` : ''}`);
  expect(edges).toEqual(['enter>hello', 'hello>wait-1', 'wait-1>send-2 then', 'wait-1>exit-1 else', 'send-2>task-1']);
  const [then, otherwise] = [flow?.nodes[3], flow?.nodes[4]];
  expect(then?.y).toBe(otherwise?.y);
  expect(then?.x).not.toBe(otherwise?.x);
});

test('every node knows its line', () => {
  expect(flowOf(PROGRAM)?.nodes.map((node) => node.line)).toEqual([2, 4, 7, 11, 14, 15]);
});

test('half a program is no picture but no failure either', () => {
  expect(flowOf('program')).toBeNull();
  expect(flowOf('program: x\nsteps:\n  - ')?.nodes.length).toBe(1);
});
