/** The canvas of a program, always in step with its text. */
import '@xyflow/react/dist/style.css';

import { Badge, Box, Group, Paper, Text, useComputedColorScheme } from '@mantine/core';
import { IconArrowsSplit2, IconCheckbox, IconClock, IconDoorEnter, IconDoorExit, IconGitBranch, IconMail, IconPencil, IconWebhook } from '@tabler/icons-react';
import { Background, Controls, type Edge, Handle, type Node, type NodeProps, Position, ReactFlow } from '@xyflow/react';
import { useMemo } from 'react';

import { t } from '../texts';
import type { Flow } from './flow';

const ICONS: Record<string, typeof IconMail> = { enter: IconDoorEnter, send: IconMail, task: IconCheckbox, wait: IconClock, branch: IconGitBranch, split: IconArrowsSplit2, webhook: IconWebhook, exit: IconDoorExit };

type StepNode = Node<{ kind: string; title: string; name: string; count?: number }>;

function Step({ data }: NodeProps<StepNode>) {
  const Icon = ICONS[data.kind] ?? IconPencil;
  return (
    <Paper withBorder p="xs" w={210} shadow="xs">
      <Handle type="target" position={Position.Top} style={{ opacity: 0 }} />
      <Group justify="space-between" wrap="nowrap" gap={6}>
        <Group gap={6} wrap="nowrap">
          <Icon size={15} aria-hidden />
          <Text size="xs" fw={650}>
            {data.kind}
          </Text>
        </Group>
        {data.count !== undefined && (
          <Badge size="sm" variant="filled" title={t.programs.inside}>
            {data.count}
          </Badge>
        )}
      </Group>
      <Text size="xs" lineClamp={2} c="dimmed">
        {data.title || data.name}
      </Text>
      <Handle type="source" position={Position.Bottom} style={{ opacity: 0 }} />
    </Paper>
  );
}

const TYPES = { step: Step };

interface Props {
  flow: Flow;
  counts?: Record<string, number>;
  onChoose?: (line: number) => void;
  height?: number;
}

export default function Canvas({ flow, counts = {}, onChoose, height = 520 }: Props) {
  const scheme = useComputedColorScheme('light');
  const nodes = useMemo<StepNode[]>(
    () => flow.nodes.map((node) => ({ id: node.id, type: 'step', position: { x: node.x, y: node.y }, data: { kind: node.kind, title: node.title, name: node.id, count: counts[node.id] } })),
    [flow, counts],
  );
  const edges = useMemo<Edge[]>(() => flow.edges.map((edge) => ({ id: `${edge.from}-${edge.to}-${edge.label ?? ''}`, source: edge.from, target: edge.to, label: edge.label, type: 'smoothstep' })), [flow]);
  const choose = (id: string) => {
    const node = flow.nodes.find((known) => known.id === id);
    if (node) onChoose?.(node.line);
  };
  return (
    <Box h={height} style={{ border: '1px solid var(--mantine-color-default-border)', borderRadius: 8 }}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={TYPES}
        colorMode={scheme}
        onNodeClick={(_, node) => choose(node.id)}
        nodesConnectable={false}
        nodesDraggable={false}
        fitView
        fitViewOptions={{ maxZoom: 1, minZoom: 0.4 }}
        minZoom={0.2}
        proOptions={{ hideAttribution: true }}
        aria-label={t.programs.canvas}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </Box>
  );
}
