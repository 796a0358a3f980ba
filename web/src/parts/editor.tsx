/** A text editor for conditions, YAML and MJML, with what is wrong shown at its place. */
import { autocompletion, type CompletionContext } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { html } from '@codemirror/lang-html';
import { yaml } from '@codemirror/lang-yaml';
import { defaultHighlightStyle, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic as Mark, lintGutter, setDiagnostics } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';

import type { Diagnostic } from '../api/client';
import { FUNCTIONS } from './language';

interface Props {
  label: string;
  value: string;
  onChange?: (text: string) => void;
  language?: 'yaml' | 'html' | 'condition';
  diagnostics?: Diagnostic[];
  height?: number | string;
  /** A line to show, counted from 1. */
  line?: number;
}

const dark = HighlightStyle.define([
  { tag: [tags.propertyName, tags.tagName], color: '#7dd3ce' },
  { tag: [tags.string, tags.attributeValue], color: '#e6c07b' },
  { tag: [tags.number, tags.bool, tags.keyword], color: '#c8a2f5' },
  { tag: tags.comment, color: '#98a2ad' },
]);

function complete(context: CompletionContext) {
  const word = context.matchBefore(/[\w.]+/);
  if (!word && !context.explicit) return null;
  return { from: word?.from ?? context.pos, options: FUNCTIONS.map((entry) => ({ label: entry.name, detail: entry.about, apply: entry.apply, type: 'function' })) };
}

function languageOf(language: Props['language']) {
  if (language === 'html') return [html()];
  if (language === 'yaml') return [yaml(), autocompletion({ override: [complete] })];
  return [autocompletion({ override: [complete] })];
}

function look(isDark: boolean, height: Props['height']) {
  const line = 'var(--mantine-color-default-border)';
  const style = {
    '&': { height: typeof height === 'number' ? `${height}px` : (height ?? 'auto'), fontSize: '13px', border: `1px solid ${line}`, borderRadius: '8px', background: 'var(--mantine-color-body)' },
    '&.cm-focused': { outline: '2px solid var(--mantine-primary-color-filled)' },
    '.cm-scroller': { fontFamily: 'ui-monospace, "Cascadia Code", Menlo, monospace', lineHeight: '1.6' },
    '.cm-gutters': { background: 'transparent', border: 'none', color: 'var(--quiet-text)' },
    '.cm-content': { paddingBlock: '8px' },
  };
  return [EditorView.theme(style, { dark: isDark }), syntaxHighlighting(isDark ? dark : defaultHighlightStyle), EditorView.lineWrapping];
}

export default function Editor({ label, value, onChange, language = 'condition', diagnostics, height, line }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const told = useRef(onChange);
  const first = useRef(value);
  const isDark = useComputedColorScheme('light') === 'dark';
  useEffect(() => {
    told.current = onChange;
  }, [onChange]);
  useEffect(() => {
    if (!box.current) return undefined;
    const listen = EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      first.current = update.state.doc.toString();
      told.current?.(first.current);
    });
    const extensions = [
      history(),
      keymap.of([...defaultKeymap, ...historyKeymap]),
      language === 'condition' ? [] : lineNumbers(),
      lintGutter(),
      languageOf(language),
      look(isDark, height),
      listen,
      EditorView.contentAttributes.of({ 'aria-label': label }),
    ];
    view.current = new EditorView({ parent: box.current, state: EditorState.create({ doc: first.current, extensions }) });
    // Whoever uses the keyboard alone scrolls, too.
    view.current.scrollDOM.tabIndex = 0;
    return () => view.current?.destroy();
  }, [label, language, isDark, height]);
  useEffect(() => {
    const shown = view.current;
    if (shown && shown.state.doc.toString() !== value) shown.dispatch({ changes: { from: 0, to: shown.state.doc.length, insert: value } });
  }, [value]);
  useEffect(() => {
    const shown = view.current;
    if (shown) shown.dispatch(setDiagnostics(shown.state, (diagnostics ?? []).map((found) => mark(shown.state, found))));
  }, [diagnostics, isDark]);
  useEffect(() => {
    const shown = view.current;
    if (!shown || !line || line > shown.state.doc.lines) return;
    const at = shown.state.doc.line(line).from;
    shown.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) });
  }, [line]);
  return <div ref={box} />;
}

function mark(state: EditorState, found: Diagnostic): Mark {
  const number = Math.min(Math.max(found.line ?? 1, 1), state.doc.lines);
  const line = state.doc.line(number);
  const from = Math.min(line.from + Math.max((found.column ?? 1) - 1, 0), line.to);
  const length = found.span ? found.span.end - found.span.start : 1;
  const severity = found.severity === 'warning' ? 'warning' : 'error';
  return { from, to: Math.min(Math.max(from + length, from + 1), state.doc.length), severity, message: [found.message, found.help].filter(Boolean).join('. ') };
}
