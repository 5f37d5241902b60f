import React from 'react';

export default function Footer() {
  return <footer>Footer 0</footer>;
}
